#include "engine/gguf_model.h"

#include <cstring>
#include <utility>

#include "engine/model_config.h"

namespace assay {
namespace {

struct Renamed {
  std::string_view gguf;
  Slot slot;
};
constexpr Renamed kMatrixNames[] = {
    {"attn_q", Slot::kQ},       {"attn_k", Slot::kK},         {"attn_v", Slot::kV},       {"attn_qkv", Slot::kQkv},
    {"attn_output", Slot::kO},  {"ffn_gate", Slot::kGate},    {"ffn_up", Slot::kUp},      {"ffn_down", Slot::kDown},
};
struct RenamedNorm {
  std::string_view gguf;
  NormSlot slot;
};
constexpr RenamedNorm kNormNames[] = {
    {"attn_norm", NormSlot::kAttention},           {"ffn_norm", NormSlot::kMlp},        {"post_attention_norm", NormSlot::kPostAttention},
    {"post_ffw_norm", NormSlot::kPostMlp},         {"attn_q_norm", NormSlot::kQ},       {"attn_k_norm", NormSlot::kK},
};

// "attn_q" to "self_attn.q_proj", or nothing.
std::string_view block_part(const Family& family, std::string_view gguf) {
  for (const auto& name : kMatrixNames) {
    if (name.gguf != gguf) continue;
    // Phi-3's fused gate and up carries the name of up alone.
    if (name.slot == Slot::kUp && !slot_name(family, Slot::kGateUp).empty()) return slot_name(family, Slot::kGateUp);
    return slot_name(family, name.slot);
  }
  for (const auto& name : kNormNames) {
    if (name.gguf == gguf) return norm_name(family, name.slot);
  }
  return {};
}

// The Hugging Face name, or "" for a tensor that only GGUF has (rope_freqs.weight ...).
std::string hugging_face_name(const Family& family, const std::string& gguf) {
  const auto dot = gguf.rfind('.');
  if (dot == std::string::npos) return {};
  const std::string stem = gguf.substr(0, dot), suffix = gguf.substr(dot);
  const std::string prefix(family.prefix);
  if (stem == "token_embd") return prefix + std::string(family.embedding) + suffix;
  if (stem == "position_embd" && !family.positions.empty()) return prefix + std::string(family.positions) + suffix;
  if (stem == "output_norm") return prefix + std::string(family.final_norm) + suffix;
  if (stem == "output") return std::string(family.head) + suffix;
  if (!stem.starts_with("blk.")) return {};
  const auto index_end = stem.find('.', 4);
  if (index_end == std::string::npos) return {};
  const auto part = block_part(family, std::string_view(stem).substr(index_end + 1));
  if (part.empty()) return {};
  return prefix + std::string(family.block) + stem.substr(3, index_end - 3) + "." + std::string(part) + suffix;
}

// source_row[r]: which row of the GGUF tensor is row r of the Hugging Face one. Empty: the same order.
std::vector<std::int64_t> row_order(const ModelConfig& config, const std::string& gguf) {
  const std::int64_t dim = config.head_dim;
  std::vector<std::int64_t> order;
  const bool is_query = gguf.find(".attn_q.") != std::string::npos, is_key = gguf.find(".attn_k.") != std::string::npos;
  if (config.family->gguf_architecture == "llama" && (is_query || is_key)) {
    // llama.cpp rotates neighbours, so its rows 2i and 2i+1 of a head are rows i and i + dim/2 here.
    const std::int64_t heads = is_query ? config.num_heads : config.num_kv_heads;
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < dim; ++i) order.push_back(head * dim + (i < dim / 2 ? 2 * i : 2 * (i - dim / 2) + 1));
    }
  } else if (config.family->qkv_layout == QkvLayout::kPerHead && gguf.find(".attn_qkv.") != std::string::npos) {
    for (std::int64_t head = 0; head < config.num_heads; ++head) {
      for (std::int64_t part = 0; part < 3; ++part) {
        for (std::int64_t i = 0; i < dim; ++i) order.push_back(part * config.num_heads * dim + head * dim + i);
      }
    }
  }
  return order;
}

Status reorder_rows(const std::vector<std::int64_t>& order, TensorView& tensor, Checkpoint& checkpoint) {
  if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(order.size())) {
    return Error{ErrorCode::kCorrupt, tensor.name + ": has shape " + shape_text(tensor.shape) + ", expected " + std::to_string(order.size()) + " rows"};
  }
  const std::size_t row_bytes = tensor.bytes.size() / order.size();
  auto copy = std::make_shared<std::vector<std::byte>>(tensor.bytes.size());
  for (std::size_t r = 0; r < order.size(); ++r) {
    std::memcpy(copy->data() + r * row_bytes, tensor.bytes.data() + static_cast<std::size_t>(order[r]) * row_bytes, row_bytes);
  }
  tensor.bytes = *copy;
  checkpoint.copies.emplace(tensor.name, std::move(copy));
  return {};
}

}  // namespace

Result<Checkpoint> checkpoint_from_gguf(ByteView bytes) {
  Checkpoint checkpoint;
  checkpoint.format = CheckpointFormat::kGguf;
  ASSAY_TRY(checkpoint.gguf, gguf::parse(bytes));
  const gguf::File& file = *checkpoint.gguf;
  ASSAY_TRY(checkpoint.config_json, config_json_from_gguf(file));
  ASSAY_TRY(const ModelConfig config, parse_model_config(as_bytes(checkpoint.config_json)));
  checkpoint.norms_include_offset = config.family->norm == NormKind::kRmsUnitOffset;
  for (const auto& info : file.tensors()) {
    const std::string name = hugging_face_name(*config.family, info.name);
    if (name.empty()) continue;
    ASSAY_TRY(TensorView tensor, file.tensor(info.name));
    tensor.name = name;
    const auto order = row_order(config, info.name);
    if (!order.empty()) ASSAY_RETURN_IF_ERROR(reorder_rows(order, tensor, checkpoint));
    checkpoint.tensors.emplace(name, std::move(tensor));
  }
  return checkpoint;
}

}  // namespace assay
