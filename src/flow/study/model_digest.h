// What a study knows a model again by.
#pragma once
#include <filesystem>
#include <string>

#include "base/result.h"

namespace assay {

// SHA-256 of a file; of a folder that of the digests of its files by name, tokenizer and configuration among them.
// Errors: those of sha256_of_file.
Result<std::string> digest_of_model(const std::filesystem::path& path);

}  // namespace assay
