// A checkpoint on disk, opened: its configuration and its tensors under the names of the Hugging Face checkpoint,
// whatever the format. No weights are read yet.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/gguf/gguf.h"
#include "formats/gptq/gptq_config.h"
#include "formats/tensor_view.h"

namespace assay {

enum class CheckpointFormat { kHuggingFace, kGptq, kGguf };
const char* to_string(CheckpointFormat format);

struct Checkpoint {
  CheckpointFormat format = CheckpointFormat::kHuggingFace;
  std::string config_json;                                    // for GGUF: made from its metadata
  std::vector<MappedFile> files;                              // own the bytes of `tensors`
  std::map<std::string, TensorView, std::less<>> tensors;
  // Tensors whose rows had to be brought into the Hugging Face order own their bytes here, by name.
  std::map<std::string, std::shared_ptr<const std::vector<std::byte>>, std::less<>> copies;
  std::optional<GptqConfig> gptq;
  std::optional<gguf::File> gguf;
  bool norms_include_offset = false;  // GGUF stores 1 + weight for families with a unit offset
};

// A folder (config.json with model.safetensors, or shards with model.safetensors.index.json) or a .gguf file.
// Errors name the file: kNotFound, kCorrupt, kUnsupported, kIo.
Result<Checkpoint> open_checkpoint(const std::filesystem::path& path);

}  // namespace assay
