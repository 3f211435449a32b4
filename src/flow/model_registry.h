// Models that can be used by name, and the folder that keeps them.
#pragma once
#include <cstdint>
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

enum class ModelKind { kDetector, kLanguageModel };

struct RegisteredModel {
  std::string_view name;
  ModelKind kind;
  std::string_view description;
  std::string_view licence;
  std::string_view file;                 // its name in the models folder
  std::string_view sha256;               // of that file, lower-case hexadecimal
  std::uint64_t num_bytes;               // of that file
  std::uint64_t download_bytes;          // of all that is fetched for it
  std::span<const PackageMember> parts;  // whose bytes, one after another, are the file
  std::string_view url = {};             // where there are no parts: its address
};

// A repository of the Hugging Face hub that studies use; any other can be used as well.
struct RegisteredHubModel {
  std::string_view name;  // hf:OWNER/NAME
  ModelKind kind;
  std::string_view description;
  std::string_view licence;
  std::uint64_t weight_bytes;  // of its .safetensors; 0: told by the hub when it is fetched
};

// A model that the program carries: a folder with a checkpoint, below the models folder.
struct CarriedModel {
  std::string_view name;
  ModelKind kind;
  std::string_view description;
  std::string_view licence;
  std::string_view folder;  // ends with the first 8 digits of the SHA-256 of its weights
};

std::span<const CarriedModel> carried_models();
// Whether the checkpoint stands whole in that folder.
bool is_carried_model_there(const std::filesystem::path& folder);

std::span<const RegisteredModel> registered_models();
// nullptr where unknown.
const RegisteredModel* find_registered_model(std::string_view name);

std::span<const RegisteredHubModel> registered_hub_models();
const RegisteredHubModel* find_registered_hub_model(std::string_view name);

// $ASSAY_MODELS_DIR, else $XDG_CACHE_HOME/assay/models, else ~/.cache/assay/models. It need not exist.
// Errors: kNotFound when none of the variables (HOME the last) is set.
Result<std::filesystem::path> models_folder();

// The file or folder that a MODEL argument means: a path that exists, or a name of the table above or
// hf:OWNER/NAME that stands whole in the hub's cache (fetch/hub_cache.h). Errors: kNotFound, naming what to do.
Result<std::filesystem::path> resolve_model(const std::string& argument);

}  // namespace assay
