// Writes a quantized model as a GPTQ checkpoint folder that GPTQModel and transformers load.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "engine/model.h"
#include "formats/gptq/gptq_config.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

// Writes config.json (that of the model with quantization_config), quantize_config.json, model.safetensors and the
// tokenizer's files into the existing, empty `folder`. Quantized matrices are packed as `config` says; float16 and bfloat16
// weights keep their bytes, all others become float16 (norms and biases float32); matrices that are packed beside the
// blocks (embedding, head) are padded to whole words. `source` is what the model was loaded from.
// Returns the bytes of model.safetensors. Errors: kUnsupported (sizes that the format cannot pack, a value beyond float16,
// by name), kIo, kInterrupted.
Result<std::uint64_t> write_gptq_folder(const LanguageModel& model, const GptqConfig& config, const std::filesystem::path& source,
                                        const std::filesystem::path& folder, const KernelContext& kernels);

}  // namespace assay
