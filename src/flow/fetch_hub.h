// Brings a repository of the Hugging Face hub.
#pragma once
#include <filesystem>
#include <string>

#include "base/progress.h"
#include "base/result.h"
#include "flow/fetch_package.h"

namespace assay {

// `name` is "hf:OWNER/NAME" (model_registry.h). Brings the files of the current revision that make a model:
// configuration, .safetensors with their index, tokenizer. They are collected in <folder>.partial, from which
// an interrupted download goes on, and get their place in `models` together once all sizes and hashes are
// right. A folder that is there is left alone. The hub is $HF_ENDPOINT, else https://huggingface.co;
// $HF_TOKEN is sent to it when set. Errors: kInvalidArgument (no such name), kNotFound, kUnsupported (no
// .safetensors), kCorrupt (an answer or a hash), kIo, kInterrupted.
Result<FetchReport> fetch_hub_model(const std::string& name, const std::filesystem::path& models,
                                    Progress& progress);

}  // namespace assay
