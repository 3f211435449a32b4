// Models that can be used by name, and the folder that keeps them.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace assay {

// A file inside of a Python wheel.
struct PackageMember {
  std::string_view package;
  std::string_view version;
  std::string_view member;
};

struct RegisteredModel {
  std::string_view name;
  std::string_view description;
  std::string_view licence;
  std::string_view file;                 // its name in the models folder
  std::string_view sha256;               // of that file, lower-case hexadecimal
  std::span<const PackageMember> parts;  // whose bytes, one after another, are the file
};

std::span<const RegisteredModel> registered_models();
// nullptr where unknown.
const RegisteredModel* find_registered_model(std::string_view name);

// $ASSAY_MODELS_DIR, else $XDG_CACHE_HOME/assay/models, else ~/.cache/assay/models. It need not exist.
// Errors: kNotFound when none of the variables (HOME the last) is set.
Result<std::filesystem::path> models_folder();

// "hf:OWNER/NAME": a repository of the Hugging Face hub, and its folder under the models folder.
bool is_hub_name(std::string_view name);
std::filesystem::path hub_folder(const std::filesystem::path& models, std::string_view name);

// The file or folder that a MODEL argument means: a path that exists, or a name of the table above or
// hf:OWNER/NAME that was fetched. Errors: kNotFound, naming what to do.
Result<std::filesystem::path> resolve_model(const std::string& argument);

}  // namespace assay
