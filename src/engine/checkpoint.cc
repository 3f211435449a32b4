#include "engine/checkpoint.h"

#include <set>

#include "engine/gguf_model.h"
#include "formats/json/json_fields.h"
#include "formats/safetensors/safetensors.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_text(const fs::path& path) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  return std::string(as_text(file.bytes()));
}

Status add_safetensors(const fs::path& path, Checkpoint& checkpoint) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  auto parsed = parse_safetensors(file.bytes());
  if (!parsed) return parsed.error().with_context(path.string());
  for (auto& tensor : parsed->tensors) {
    std::string name = tensor.name;
    if (!checkpoint.tensors.emplace(std::move(name), std::move(tensor)).second) {
      return Error{ErrorCode::kCorrupt, path.string() + ": tensor '" + tensor.name + "' stands in another shard, too"};
    }
  }
  checkpoint.files.push_back(std::move(file));
  return {};
}

Status add_weights(const fs::path& folder, Checkpoint& checkpoint) {
  // AutoGPTQ named its files by their settings, so a single file of any name counts.
  const fs::path index_path = folder / "model.safetensors.index.json";
  if (fs::exists(index_path)) {
    ASSAY_TRY(const std::string text, read_text(index_path));
    auto index = parse_safetensors_index(as_bytes(text));
    if (!index) return index.error().with_context(index_path.string());
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : *index) shards.insert(shard);
    for (const auto& shard : shards) ASSAY_RETURN_IF_ERROR(add_safetensors(folder / shard, checkpoint));
    for (const auto& [tensor, shard] : *index) {
      if (!checkpoint.tensors.contains(tensor)) {
        return Error{ErrorCode::kCorrupt, (folder / shard).string() + ": tensor '" + tensor + "' is missing, though the index names it"};
      }
    }
    return {};
  }
  if (fs::exists(folder / "model.safetensors")) return add_safetensors(folder / "model.safetensors", checkpoint);
  std::vector<fs::path> candidates;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") candidates.push_back(entry.path());
  }
  if (candidates.size() == 1) return add_safetensors(candidates[0], checkpoint);
  return Error{ErrorCode::kNotFound, folder.string() + ": has no model.safetensors" +
                                         (candidates.empty() ? "" : ", and several other .safetensors without an index") +
                                         "; PyTorch .bin checkpoints must be converted to safetensors first"};
}

Result<Checkpoint> open_folder(const fs::path& folder) {
  Checkpoint checkpoint;
  ASSAY_TRY(checkpoint.config_json, read_text(folder / "config.json"));
  auto config = parse_json_object(as_bytes(checkpoint.config_json));
  if (!config) return config.error().with_context((folder / "config.json").string());
  ASSAY_RETURN_IF_ERROR(add_weights(folder, checkpoint));
  const fs::path own_file = folder / "quantize_config.json";
  const bool inside = config->contains("quantization_config");
  if (!inside && !fs::exists(own_file)) return checkpoint;
  const fs::path source = inside ? folder / "config.json" : own_file;
  std::string text = checkpoint.config_json;
  if (!inside) {
    ASSAY_TRY(text, read_text(own_file));
  }
  auto gptq = parse_gptq_config(as_bytes(text));
  if (!gptq) return gptq.error().with_context(source.string());
  checkpoint.gptq = *std::move(gptq);
  checkpoint.format = CheckpointFormat::kGptq;
  return checkpoint;
}

}  // namespace

const char* to_string(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::kHuggingFace: return "Hugging Face";
    case CheckpointFormat::kGptq: return "GPTQ";
    case CheckpointFormat::kGguf: return "GGUF";
  }
  return "";
}

Result<Checkpoint> open_checkpoint(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return open_folder(path);
  if (!fs::exists(path, error)) return Error{ErrorCode::kNotFound, path.string() + ": no such model; expected a folder with config.json, or a .gguf file"};
  if (path.extension() != ".gguf") {
    return Error{ErrorCode::kUnsupported, path.string() + ": is neither a folder with config.json nor a .gguf file"};
  }
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  auto checkpoint = checkpoint_from_gguf(file.bytes());
  if (!checkpoint) return checkpoint.error().with_context(path.string());
  checkpoint->files.push_back(std::move(file));
  return checkpoint;
}

}  // namespace assay
