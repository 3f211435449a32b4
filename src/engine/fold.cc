#include "engine/fold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/dense_weights.h"
#include "engine/hadamard.h"

namespace assay {
namespace {

Error unsupported(const std::string& what) { return {ErrorCode::kUnsupported, what}; }

// Every change is made on copies first, so that a block is changed whole or not at all.
Result<std::vector<DenseWeights>> copies_of(Block& block, std::initializer_list<Slot> slots,
                                            const KernelTable& table) {
  std::vector<DenseWeights> copies;
  for (const Slot slot : slots) {
    if (!block.at(slot)) continue;
    ASSAY_TRY(DenseWeights weights, DenseWeights::of(*block.at(slot), table));
    copies.push_back(std::move(weights));
  }
  return copies;
}

void store_all(std::vector<DenseWeights>& copies) {
  for (auto& weights : copies) weights.store();
}

void permute_rows(DenseWeights& weights, std::int64_t first, std::span<const std::int32_t> order) {
  const auto cols = static_cast<std::size_t>(weights.cols());
  std::vector<float> old(weights.row(first), weights.row(first) + order.size() * cols);
  const std::vector<float> old_bias = weights.bias();
  for (std::size_t j = 0; j < order.size(); ++j) {
    const auto from = static_cast<std::size_t>(order[j]);
    std::copy_n(old.data() + from * cols, cols, weights.row(first + static_cast<std::int64_t>(j)));
    if (!old_bias.empty())
      weights.bias()[static_cast<std::size_t>(first) + j] = old_bias[static_cast<std::size_t>(first) + from];
  }
}

void permute_columns(DenseWeights& weights, std::span<const std::int32_t> order) {
  std::vector<float> old(order.size());
  for (std::int64_t r = 0; r < weights.rows(); ++r) {
    float* row = weights.row(r);
    std::copy_n(row, old.size(), old.data());
    for (std::size_t j = 0; j < order.size(); ++j) row[j] = old[static_cast<std::size_t>(order[j])];
  }
}

bool is_permutation_of(std::span<const std::int32_t> order, std::int64_t count) {
  if (static_cast<std::int64_t>(order.size()) != count) return false;
  std::vector<bool> seen(order.size(), false);
  for (const std::int32_t place : order) {
    if (place < 0 || place >= count || seen[static_cast<std::size_t>(place)]) return false;
    seen[static_cast<std::size_t>(place)] = true;
  }
  return true;
}

Status check_scale(std::span<const float> scale, std::int64_t count) {
  if (static_cast<std::int64_t>(scale.size()) != count)
    return Error{ErrorCode::kInvalidArgument, "expected " + std::to_string(count) + " scales"};
  for (const float value : scale) {
    if (!(value > 0) || !std::isfinite(value))
      return Error{ErrorCode::kInvalidArgument, "scales must be positive and finite"};
  }
  return {};
}

Status scale_inputs(Block& block, NormSlot norm_slot, std::initializer_list<Slot> slots,
                    const ModelConfig& config, std::span<const float> scale, const KernelTable& table) {
  if (!config.norm_before || !block.at(norm_slot))
    return unsupported("the block has no norm of its own before these matrices");
  ASSAY_RETURN_IF_ERROR(check_scale(scale, config.hidden_size));
  ASSAY_TRY(auto copies, copies_of(block, slots, table));
  for (auto& weights : copies) weights.scale_columns(scale);
  NormWeights& norm = *block.at(norm_slot);
  for (std::size_t c = 0; c < scale.size(); ++c) {
    norm.weight[c] /= scale[c];
    if (!norm.bias.empty()) norm.bias[c] /= scale[c];
  }
  store_all(copies);
  return {};
}

// values (dim, stride apart) <- Hadamard's matrix over sqrt(dim), times values.
void rotate(float* values, std::int64_t dim, std::int64_t stride) {
  std::vector<double> work(static_cast<std::size_t>(dim));
  for (std::int64_t i = 0; i < dim; ++i) work[static_cast<std::size_t>(i)] = values[i * stride];
  multiply_by_hadamard(work, work.size());
  const double factor = 1 / std::sqrt(static_cast<double>(dim));
  for (std::int64_t i = 0; i < dim; ++i)
    values[i * stride] = static_cast<float>(factor * work[static_cast<std::size_t>(i)]);
}

}  // namespace

Status permute_mlp(Block& block, const ModelConfig& config, std::span<const std::int32_t> order,
                   const KernelTable& table) {
  const std::int64_t width = config.intermediate_size;
  if (!is_permutation_of(order, width))
    return Error{ErrorCode::kInvalidArgument,
                 "expected a permutation of " + std::to_string(width) + " channels"};
  if (!block.at(Slot::kDown)) return unsupported("the block has no MLP");
  ASSAY_TRY(auto expanding, copies_of(block, {Slot::kGate, Slot::kUp, Slot::kGateUp}, table));
  ASSAY_TRY(auto contracting, copies_of(block, {Slot::kDown}, table));
  for (auto& weights : expanding) {
    for (std::int64_t first = 0; first < weights.rows(); first += width) permute_rows(weights, first, order);
  }
  permute_columns(contracting.front(), order);
  store_all(expanding);
  store_all(contracting);
  return {};
}

Status scale_attention_inputs(Block& block, const ModelConfig& config, std::span<const float> scale,
                              const KernelTable& table) {
  return scale_inputs(block, NormSlot::kAttention, {Slot::kQ, Slot::kK, Slot::kV, Slot::kQkv}, config, scale,
                      table);
}

Status scale_mlp_inputs(Block& block, const ModelConfig& config, std::span<const float> scale,
                        const KernelTable& table) {
  return scale_inputs(block, NormSlot::kMlp, {Slot::kGate, Slot::kUp, Slot::kGateUp}, config, scale, table);
}

Status scale_mlp_channels(Block& block, const ModelConfig& config, std::span<const float> scale,
                          const KernelTable& table) {
  const std::int64_t width = config.intermediate_size;
  const bool fused = block.at(Slot::kGateUp).has_value();
  const bool gated = fused || block.at(Slot::kGate).has_value();
  if (!block.at(Slot::kDown) || !(gated || config.activation == Activation::kRelu))
    return unsupported("the block's activation does not let a scale pass");
  ASSAY_RETURN_IF_ERROR(check_scale(scale, width));
  ASSAY_TRY(auto expanding, copies_of(block, {fused ? Slot::kGateUp : Slot::kUp}, table));
  ASSAY_TRY(auto contracting, copies_of(block, {Slot::kDown}, table));
  DenseWeights& up = expanding.front();
  const std::int64_t first = fused ? width : 0;  // behind the rows of gate
  for (std::int64_t j = 0; j < width; ++j) {
    const float divisor = scale[static_cast<std::size_t>(j)];
    float* row = up.row(first + j);
    for (std::int64_t c = 0; c < up.cols(); ++c) row[c] /= divisor;
    if (!up.bias().empty()) up.bias()[static_cast<std::size_t>(first + j)] /= divisor;
  }
  contracting.front().scale_columns(scale);
  store_all(expanding);
  store_all(contracting);
  return {};
}

Status rotate_values(Block& block, const ModelConfig& config, const KernelTable& table) {
  const std::int64_t dim = config.head_dim;
  const bool fused = block.at(Slot::kQkv).has_value();
  if (!std::has_single_bit(static_cast<std::uint64_t>(dim)))
    return unsupported("heads of " + std::to_string(dim) + " values cannot be rotated");
  if (fused && config.family->qkv_layout != QkvLayout::kConcatenated)
    return unsupported("the values' rows lie between those of queries and keys");
  ASSAY_TRY(auto values, copies_of(block, {fused ? Slot::kQkv : Slot::kV}, table));
  ASSAY_TRY(auto output, copies_of(block, {Slot::kO}, table));
  if (values.empty() || output.empty()) return unsupported("the block has no attention");
  DenseWeights& v = values.front();
  const std::int64_t first = fused ? config.q_dim() + config.kv_dim() : 0;
  for (std::int64_t head = 0; head < config.num_kv_heads; ++head) {
    for (std::int64_t c = 0; c < v.cols(); ++c) rotate(v.row(first + head * dim) + c, dim, v.cols());
    if (!v.bias().empty()) rotate(v.bias().data() + first + head * dim, dim, 1);
  }
  DenseWeights& o = output.front();
  for (std::int64_t r = 0; r < o.rows(); ++r) {
    for (std::int64_t head = 0; head < config.num_heads; ++head) rotate(o.row(r) + head * dim, dim, 1);
  }
  store_all(values);
  store_all(output);
  return {};
}

}  // namespace assay
