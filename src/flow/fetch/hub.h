// Brings files of a repository of the Hugging Face hub into the cache (hub_cache.h).
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "flow/fetch/fetch_report.h"
#include "flow/fetch/http.h"
#include "flow/fetch/hub_cache.h"

namespace assay {

// The hub is $HF_ENDPOINT, else https://huggingface.co; $HF_TOKEN is sent to it when set. For both functions:
// size and hash of each file are those of the hub's metadata: SHA-256 of large files, git's blob id (SHA-1)
// of small ones. A content that the cache has already is not asked for again. A download goes on from
// blobs/<hash>.incomplete; it gets its name once it is whole and right, the links and refs/main come after
// all contents. Errors: kNotFound, kCorrupt (an answer or a hash), kIo (another process that fetches the same
// among it), kInterrupted.

// `name` is "hf:OWNER/NAME". Brings the files of the current revision that make a model: configuration,
// .safetensors with their index, tokenizer. The report names the folder of the snapshot. A whole model of
// "main" that is there is left alone, without asking the hub. Errors besides: kInvalidArgument (no such
// name), kUnsupported (no .safetensors).
Result<FetchReport> fetch_hub_model(const std::string& name, const std::filesystem::path& cache,
                                    const HttpOptions& http, Progress& progress);

// One file, whose SHA-256 is known. The report names it.
Result<FetchReport> fetch_hub_file(const HubRepository& repository, const std::string& file,
                                   std::string_view sha256, const std::filesystem::path& cache,
                                   const HttpOptions& http, Progress& progress);

}  // namespace assay
