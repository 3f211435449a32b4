#include "engine/load.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "formats/json/json_fields.h"
#include "formats/gptq/gptq_tensors.h"

namespace assay {
namespace {

Error wrong_shape(const TensorView& tensor, const std::string& expected) {
  return {ErrorCode::kCorrupt, tensor.name + ": has shape " + shape_text(tensor.shape) + ", expected " + expected +
                                   " (does config.json belong to these weights?)"};
}

// Builds the parts of a model from the tensors of a checkpoint.
class Loader {
 public:
  explicit Loader(Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  Result<LanguageModel> load() {
    LanguageModel model;
    ASSAY_TRY(model.config, parse_model_config(as_bytes(checkpoint_.config_json)));
    config_ = &model.config;
    const Family& family = *config_->family;
    const std::string prefix = base_prefix();
    ASSAY_TRY(model.embedding, outer_matrix(prefix + std::string(family.embedding), config_->vocab_size, config_->embedding_dim));
    if (!family.positions.empty()) {
      ASSAY_TRY(model.positions, outer_matrix(prefix + std::string(family.positions), config_->max_positions + family.position_offset, config_->hidden_size));
    }
    if (config_->embedding_dim != config_->hidden_size) {
      ASSAY_TRY(model.project_in, outer_matrix(prefix + std::string(family.project_in), config_->hidden_size, config_->embedding_dim));
      ASSAY_TRY(model.project_out, outer_matrix(prefix + std::string(family.project_out), config_->embedding_dim, config_->hidden_size));
    }
    for (std::int64_t layer = 0; layer < config_->num_layers; ++layer) {
      ASSAY_TRY(Block block, load_block(prefix + std::string(family.block) + "." + std::to_string(layer) + "."));
      model.blocks.push_back(std::move(block));
    }
    if (config_->norm_before) {
      ASSAY_TRY(model.final_norm, norm(prefix + std::string(family.final_norm), config_->hidden_size));
    }
    if (!config_->tied_embeddings) {
      // transformers 5 saves every family's head as lm_head; older checkpoints have the family's own name.
      const std::string own(family.head);
      ASSAY_TRY(model.head, outer_matrix(has(own) ? own : "lm_head", config_->vocab_size, config_->embedding_dim));
    }
    model.config_json = checkpoint_.config_json;
    model.files = std::move(checkpoint_.files);
    return model;
  }

 private:
  // Checkpoints of the bare transformer leave out the outermost part of the names.
  std::string base_prefix() const {
    const std::string full(config_->family->prefix);
    const auto first = full.find('.') + 1;
    for (const std::string& candidate : {full, full.substr(first)}) {
      if (has(candidate + std::string(config_->family->embedding))) return candidate;
    }
    return full;
  }

  bool has(const std::string& module) const {
    return checkpoint_.tensors.contains(module + ".weight") || checkpoint_.tensors.contains(module + ".qweight");
  }

  Result<const TensorView*> tensor(const std::string& name) const {
    const auto found = checkpoint_.tensors.find(name);
    if (found == checkpoint_.tensors.end()) return Error{ErrorCode::kNotFound, "tensor '" + name + "' is missing"};
    return &found->second;
  }

  Result<std::vector<float>> floats(const std::string& name, std::int64_t count) const {
    ASSAY_TRY(const TensorView* stored, tensor(name));
    if (stored->shape != std::vector<std::int64_t>{count}) return wrong_shape(*stored, shape_text({count}));
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (stored->dtype == DType::kF32) {
        std::memcpy(&values[i], stored->bytes.data() + i * sizeof(float), sizeof(float));
      } else if (stored->dtype == DType::kF16 || stored->dtype == DType::kBF16) {
        std::uint16_t bits;
        std::memcpy(&bits, stored->bytes.data() + i * sizeof(bits), sizeof(bits));
        values[i] = stored->dtype == DType::kF16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
      } else {
        return Error{ErrorCode::kUnsupported, name + ": has type " + std::string(info(stored->dtype).name) + ", expected F32, F16 or BF16"};
      }
      if (!std::isfinite(values[i])) return Error{ErrorCode::kCorrupt, name + ": value " + std::to_string(i) + " is not a finite number"};
    }
    return values;
  }

  Result<std::optional<NormWeights>> norm(const std::string& module, std::int64_t count) const {
    NormWeights weights;
    ASSAY_TRY(weights.weight, floats(module + ".weight", count));
    if (config_->family->norm == NormKind::kRmsUnitOffset && !checkpoint_.norms_include_offset) {
      for (float& value : weights.weight) value += 1.0f;
    }
    if (config_->family->norm == NormKind::kLayer) {
      ASSAY_TRY(weights.bias, floats(module + ".bias", count));
    }
    return std::optional<NormWeights>(std::move(weights));
  }

  // The transpose of [cols, rows] values of `value_bytes` each, copied.
  static std::shared_ptr<const std::vector<std::byte>> transposed(const TensorView& stored, std::int64_t rows, std::int64_t cols) {
    const std::size_t value_bytes = info(stored.dtype).block_bytes;
    auto copy = std::make_shared<std::vector<std::byte>>(stored.bytes.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        std::memcpy(copy->data() + static_cast<std::size_t>(r * cols + c) * value_bytes,
                    stored.bytes.data() + static_cast<std::size_t>(c * rows + r) * value_bytes, value_bytes);
      }
    }
    return copy;
  }

  Result<Linear> dense(const std::string& module, std::int64_t rows, std::int64_t cols, bool is_transposed) const {
    ASSAY_TRY(const TensorView* stored, tensor(module + ".weight"));
    const std::vector<std::int64_t> expected = is_transposed ? std::vector<std::int64_t>{cols, rows} : std::vector<std::int64_t>{rows, cols};
    if (stored->shape != expected) return wrong_shape(*stored, shape_text(expected));
    if (!is_weight_dtype(stored->dtype)) {
      return Error{ErrorCode::kUnsupported, stored->name + ": has type " + std::string(info(stored->dtype).name) + ", which is not a weight type"};
    }
    Linear linear;
    linear.name = module;
    ByteView bytes = stored->bytes;
    if (is_transposed) {
      linear.copied = transposed(*stored, rows, cols);
      release(*stored);
      bytes = *linear.copied;
    } else if (const auto copy = checkpoint_.copies.find(stored->name); copy != checkpoint_.copies.end()) {
      linear.copied = copy->second;
    }
    linear.weight = dense_view(stored->dtype, bytes, rows, cols);
    return linear;
  }

  Result<Linear> packed(const std::string& module, std::int64_t rows, std::int64_t cols) const {
    if (!checkpoint_.gptq) return Error{ErrorCode::kCorrupt, module + ".qweight: is there, but no quantize_config.json or quantization_config says how it is packed"};
    ASSAY_TRY(const GptqModuleConfig settings, gptq_module_config(*checkpoint_.gptq, module));
    GptqTensors tensors;
    for (const auto& [suffix, place] : {std::pair{".qweight", &tensors.qweight}, std::pair{".qzeros", &tensors.qzeros}, std::pair{".scales", &tensors.scales}}) {
      ASSAY_TRY(const TensorView* stored, tensor(module + suffix));
      *place = *stored;
    }
    if (checkpoint_.tensors.contains(module + ".g_idx")) {
      ASSAY_TRY(const TensorView* stored, tensor(module + ".g_idx"));
      tensors.g_idx = *stored;
    }
    ASSAY_TRY(UnpackedGptq unpacked, unpack_gptq(tensors, settings.bits, settings.group_size, checkpoint_.gptq->format));
    // Rows beyond the module's outputs are padding (a vocabulary that does not fill whole words).
    const bool fits = unpacked.matrix.cols() == cols && unpacked.matrix.rows() >= rows && unpacked.matrix.rows() < rows + 32;
    if (!fits) return wrong_shape(tensors.qweight, "a packed matrix of " + std::to_string(rows) + " outputs and " + std::to_string(cols) + " inputs");
    Linear linear;
    linear.name = module;
    linear.set_quantized(std::make_shared<GroupQuantMatrix>(std::move(unpacked.matrix)), std::move(unpacked.column_order));
    linear.weight.rows = rows;
    release(tensors.qweight);
    return linear;
  }

  Result<Linear> matrix(const std::string& module, std::int64_t rows, std::int64_t cols, bool is_transposed) const {
    Result<Linear> linear = checkpoint_.tensors.contains(module + ".qweight") ? packed(module, rows, cols) : dense(module, rows, cols, is_transposed);
    if (linear && checkpoint_.tensors.contains(module + ".bias")) {
      ASSAY_TRY(linear->bias, floats(module + ".bias", rows));
    }
    return linear;
  }

  Result<Linear> outer_matrix(const std::string& module, std::int64_t rows, std::int64_t cols) const { return matrix(module, rows, cols, false); }

  std::pair<std::int64_t, std::int64_t> slot_shape(Slot slot) const {
    const ModelConfig& c = *config_;
    switch (slot) {
      case Slot::kQ: return {c.q_dim(), c.hidden_size};
      case Slot::kK:
      case Slot::kV: return {c.kv_dim(), c.hidden_size};
      case Slot::kQkv: return {c.q_dim() + 2 * c.kv_dim(), c.hidden_size};
      case Slot::kO: return {c.hidden_size, c.q_dim()};
      case Slot::kGate:
      case Slot::kUp: return {c.intermediate_size, c.hidden_size};
      case Slot::kGateUp: return {2 * c.intermediate_size, c.hidden_size};
      case Slot::kDown: return {c.hidden_size, c.intermediate_size};
    }
    return {0, 0};
  }

  Result<Block> load_block(const std::string& prefix) const {
    const Family& family = *config_->family;
    Block block;
    const bool is_transposed = family.transposed && checkpoint_.format != CheckpointFormat::kGguf;
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      if (family.slots[i].empty()) continue;
      const auto [rows, cols] = slot_shape(static_cast<Slot>(i));
      ASSAY_TRY(block.linears[i], matrix(prefix + std::string(family.slots[i]), rows, cols, is_transposed));
    }
    for (std::size_t i = 0; i < kNumNormSlots; ++i) {
      if (family.norms[i].empty()) continue;
      const auto slot = static_cast<NormSlot>(i);
      const bool per_head = slot == NormSlot::kQ || slot == NormSlot::kK;
      ASSAY_TRY(block.norms[i], norm(prefix + std::string(family.norms[i]), per_head ? config_->head_dim : config_->hidden_size));
    }
    return block;
  }

  void release(const TensorView& stored) const {
    for (const auto& file : checkpoint_.files) file.release(stored.bytes);
  }

  Checkpoint& checkpoint_;
  const ModelConfig* config_ = nullptr;
};

Result<std::string> optional_text(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::string();
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  return std::string(as_text(file.bytes()));
}

}  // namespace

Result<LanguageModel> load_model(Checkpoint checkpoint) { return Loader(checkpoint).load(); }

Result<LanguageModel> load_model(const std::filesystem::path& path) {
  ASSAY_TRY(Checkpoint checkpoint, open_checkpoint(path));
  auto model = load_model(std::move(checkpoint));
  if (!model) return model.error().with_context(path.string());
  return model;
}

Result<Tokenizer> tokenizer_from_gguf(const gguf::File& file) {
  GgufVocabulary vocabulary;
  ASSAY_TRY(vocabulary.model, file.string("tokenizer.ggml.model"));
  if (file.find("tokenizer.ggml.pre") != nullptr) {
    ASSAY_TRY(vocabulary.pre, file.string("tokenizer.ggml.pre"));
  }
  ASSAY_TRY(vocabulary.tokens, file.strings("tokenizer.ggml.tokens"));
  if (file.find("tokenizer.ggml.merges") != nullptr) {
    ASSAY_TRY(vocabulary.merges, file.strings("tokenizer.ggml.merges"));
  }
  if (file.find("tokenizer.ggml.scores") != nullptr) {
    ASSAY_TRY(const auto scores, file.reals("tokenizer.ggml.scores"));
    vocabulary.scores.assign(scores.begin(), scores.end());
  }
  if (file.find("tokenizer.ggml.token_type") != nullptr) {
    ASSAY_TRY(const auto types, file.integers("tokenizer.ggml.token_type"));
    vocabulary.token_types.assign(types.begin(), types.end());
  }
  for (const auto& [key, place] : {std::pair{"tokenizer.ggml.bos_token_id", &vocabulary.bos_id}, std::pair{"tokenizer.ggml.eos_token_id", &vocabulary.eos_id},
                                   std::pair{"tokenizer.ggml.unknown_token_id", &vocabulary.unk_id}, std::pair{"tokenizer.ggml.padding_token_id", &vocabulary.pad_id}}) {
    if (file.find(key) == nullptr) continue;
    ASSAY_TRY(*place, file.integer(key));
  }
  for (const auto& [key, place] : {std::pair{"tokenizer.ggml.add_bos_token", &vocabulary.add_bos}, std::pair{"tokenizer.ggml.add_eos_token", &vocabulary.add_eos},
                                   std::pair{"tokenizer.ggml.add_space_prefix", &vocabulary.add_space_prefix}}) {
    if (file.find(key) == nullptr) continue;
    ASSAY_TRY(*place, file.boolean(key));
  }
  if (file.find("tokenizer.chat_template") != nullptr) {
    ASSAY_TRY(vocabulary.chat_template, file.string("tokenizer.chat_template"));
  }
  return Tokenizer::from_gguf_vocabulary(std::move(vocabulary));
}

Result<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) {
    ASSAY_TRY(const MappedFile file, MappedFile::open(path));
    auto parsed = gguf::parse(file.bytes());
    if (!parsed) return parsed.error().with_context(path.string());
    auto tokenizer = tokenizer_from_gguf(*parsed);
    if (!tokenizer) return tokenizer.error().with_context(path.string());
    return tokenizer;
  }
  if (fs::exists(path / "tokenizer.json")) {
    ASSAY_TRY(const std::string tokenizer_json, optional_text(path / "tokenizer.json"));
    ASSAY_TRY(const std::string tokenizer_config, optional_text(path / "tokenizer_config.json"));
    ASSAY_TRY(std::string chat_template, optional_text(path / "chat_template.jinja"));
    auto tokenizer =
        Tokenizer::from_tokenizer_json(as_bytes(tokenizer_json), as_bytes(tokenizer_config), std::move(chat_template));
    if (!tokenizer) return tokenizer.error().with_context((path / "tokenizer.json").string());
    return tokenizer;
  }
  if (fs::exists(path / "vocab.json") && fs::exists(path / "merges.txt")) {
    ASSAY_TRY(const std::string vocabulary, optional_text(path / "vocab.json"));
    ASSAY_TRY(const std::string merges, optional_text(path / "merges.txt"));
    auto tokenizer = Tokenizer::from_vocab_and_merges(as_bytes(vocabulary), as_bytes(merges));
    if (!tokenizer) return tokenizer.error().with_context((path / "vocab.json").string());
    return tokenizer;
  }
  return Error{ErrorCode::kNotFound, path.string() + ": has no tokenizer.json (nor vocab.json with merges.txt)"};
}

}  // namespace assay
