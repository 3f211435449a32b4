#include "engine/rotate_stream.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <span>
#include <string>
#include <utility>

#include "base/rng.h"
#include "engine/dense_weights.h"
#include "engine/hadamard.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 20240400456;
constexpr int kMaxConfigDepth = 64;
constexpr std::int64_t kCacheLine = 16;  // floats

constexpr Slot kReadAttention[] = {Slot::kQ, Slot::kK, Slot::kV, Slot::kQkv};
constexpr Slot kReadMlp[] = {Slot::kGate, Slot::kUp, Slot::kGateUp};
constexpr Slot kWriting[] = {Slot::kO, Slot::kDown};

Error unsupported(const std::string& what) { return {ErrorCode::kUnsupported, what}; }

class Rotator {
 public:
  Rotator(std::int64_t size, const KernelContext& kernels) : rotation_(size), kernels_(kernels) {}

  // Of what has the stream as input, or, an embedding, as rows. norm: empty, or the weights before it.
  Status inputs(Linear& linear, std::span<const float> norm) const {
    ASSAY_TRY(DenseWeights weights, DenseWeights::of(linear, *kernels_.table));
    if (!norm.empty()) weights.scale_columns(norm);
    kernels_.pool->parallel_for(weights.rows(), 1, [&](WorkRange range) {
      std::vector<double> work;
      for (std::int64_t r = range.begin; r < range.end; ++r) rotation_.apply(weights.row(r), 1, work);
    });
    weights.store();
    return {};
  }

  // Of what is added to the stream.
  Status outputs(Linear& linear) const {
    ASSAY_TRY(DenseWeights weights, DenseWeights::of(linear, *kernels_.table));
    kernels_.pool->parallel_for(weights.cols(), kCacheLine, [&](WorkRange range) {
      std::vector<double> work;
      for (std::int64_t c = range.begin; c < range.end; ++c)
        rotation_.apply(weights.row(0) + c, weights.cols(), work);
    });
    std::vector<double> work;
    if (!weights.bias().empty()) rotation_.apply(weights.bias().data(), 1, work);
    weights.store();
    return {};
  }

  Status reading(Block& block, NormSlot slot, std::span<const Slot> readers) const {
    std::vector<float>& norm = block.at(slot)->weight;
    for (const Slot reader : readers) {
      if (block.at(reader)) ASSAY_RETURN_IF_ERROR(inputs(*block.at(reader), norm));
    }
    std::fill(norm.begin(), norm.end(), 1.0f);
    return {};
  }

 private:
  StreamRotation rotation_;
  KernelContext kernels_;
};

Status part_head_from_embedding(LanguageModel& model) {
  ASSAY_TRY(auto document, parse_ordered_json(as_bytes(model.config_json), kMaxConfigDepth));
  document["tie_word_embeddings"] = false;
  model.config_json = document.dump();
  model.config.tied_embeddings = false;
  model.head = model.embedding;
  model.head->name = model.config.family->head;
  return {};
}

}  // namespace

StreamRotation::StreamRotation(std::int64_t size) : odd_(size) {
  while (odd_ % 2 == 0) odd_ /= 2;
  Rng rng(kSeed);
  const double factor = 1 / std::sqrt(static_cast<double>(size));
  for (std::int64_t i = 0; i < size; ++i) signs_.push_back((rng.next() >> 63) != 0 ? factor : -factor);
  for (std::int64_t i = 0; i < odd_; ++i) {
    for (std::int64_t j = 0; j < odd_; ++j) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(i * j % odd_) / static_cast<double>(odd_);
      hartley_.push_back(std::cos(angle) + std::sin(angle));
    }
  }
}

void StreamRotation::apply(float* x, std::int64_t stride, std::vector<double>& work) const {
  const std::size_t size = signs_.size(), odd = static_cast<std::size_t>(odd_), even = size / odd;
  work.resize(2 * size);
  double* values = work.data();
  for (std::size_t i = 0; i < size; ++i) values[i] = signs_[i] * x[static_cast<std::int64_t>(i) * stride];
  multiply_by_hadamard({values, size}, even);
  double* crossed = values + size;
  std::fill_n(crossed, size, 0.0);
  for (std::size_t to = 0; to < odd; ++to) {
    for (std::size_t from = 0; from < odd; ++from) {
      const double factor = hartley_[to * odd + from];
      for (std::size_t b = 0; b < even; ++b) crossed[to * even + b] += factor * values[from * even + b];
    }
  }
  for (std::size_t i = 0; i < size; ++i)
    x[static_cast<std::int64_t>(i) * stride] = static_cast<float>(crossed[i]);
}

Status check_rotatable(const LanguageModel& model) {
  const ModelConfig& config = model.config;
  const std::string family(config.family->model_type);
  if (config.family->norm == NormKind::kLayer)
    return unsupported("the norms of " + family +
                       " take the mean away, so its residual stream cannot be rotated");
  if (!config.norm_before || !model.final_norm || model.positions || model.project_in)
    return unsupported("the residual stream of " + family + " cannot be rotated");
  for (const auto& block : model.blocks) {
    if (block.at(NormSlot::kPostAttention) || block.at(NormSlot::kPostMlp))
      return unsupported("norms of " + family + " write into its residual stream, so it cannot be rotated");
    if (!block.at(NormSlot::kAttention) || !block.at(NormSlot::kMlp))
      return unsupported("a block of " + family + " lacks a norm of its own before attention or MLP");
    for (const auto& linear : block.linears) {
      if (linear) ASSAY_RETURN_IF_ERROR(DenseWeights::check(*linear));
    }
  }
  ASSAY_RETURN_IF_ERROR(DenseWeights::check(model.embedding));
  return DenseWeights::check(model.output_head());
}

Status rotate_residual_stream(LanguageModel& model, const KernelContext& kernels) {
  ASSAY_RETURN_IF_ERROR(check_rotatable(model));
  if (!model.head) ASSAY_RETURN_IF_ERROR(part_head_from_embedding(model));
  const Rotator rotator(model.config.hidden_size, kernels);
  ASSAY_RETURN_IF_ERROR(rotator.inputs(model.embedding, {}));
  ASSAY_RETURN_IF_ERROR(rotator.inputs(*model.head, model.final_norm->weight));
  std::fill(model.final_norm->weight.begin(), model.final_norm->weight.end(), 1.0f);
  for (auto& block : model.blocks) {
    ASSAY_RETURN_IF_ERROR(rotator.reading(block, NormSlot::kAttention, kReadAttention));
    ASSAY_RETURN_IF_ERROR(rotator.reading(block, NormSlot::kMlp, kReadMlp));
    for (const Slot slot : kWriting) {
      if (block.at(slot)) ASSAY_RETURN_IF_ERROR(rotator.outputs(*block.at(slot)));
    }
  }
  return {};
}

}  // namespace assay
