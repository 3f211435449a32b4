#include "flow/fold_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "base/interrupt.h"
#include "engine/fold.h"
#include "engine/forward.h"
#include "engine/hadamard.h"
#include "flow/block_quantizer.h"
#include "flow/block_stream.h"

namespace assay {
namespace {

constexpr double kExponents[] = {0.25, 0.5};

// H of inputs that are divided by `scale`.
Matrix<float> scaled(const Matrix<float>& h, std::span<const float> scale) {
  Matrix<float> result = h;
  for (std::int64_t i = 0; i < h.rows(); ++i) {
    float* row = result.row(i);
    for (std::int64_t j = 0; j < h.cols(); ++j)
      row[j] /= scale[static_cast<std::size_t>(i)] * scale[static_cast<std::size_t>(j)];
  }
  return result;
}

// H of inputs of which j is what order[j] was.
Matrix<float> permuted(const Matrix<float>& h, std::span<const std::int32_t> order) {
  Matrix<float> result(h.rows(), h.cols());
  for (std::int64_t i = 0; i < h.rows(); ++i) {
    const float* from = h.row(order[static_cast<std::size_t>(i)]);
    for (std::int64_t j = 0; j < h.cols(); ++j) result.row(i)[j] = from[order[static_cast<std::size_t>(j)]];
  }
  return result;
}

// values <- Hadamard's matrix over sqrt(dim), times values.
void rotate(std::vector<double>& values) {
  multiply_by_hadamard(values, values.size());
  for (auto& value : values) value /= std::sqrt(static_cast<double>(values.size()));
}

// H of inputs whose heads of `dim` are rotated as rotate_values does.
Matrix<float> rotated(const Matrix<float>& h, std::int64_t dim) {
  Matrix<float> result = h;
  std::vector<double> work(static_cast<std::size_t>(dim));
  for (const bool columns : {false, true}) {
    for (std::int64_t i = 0; i < h.rows(); ++i) {
      for (std::int64_t head = 0; head < h.cols(); head += dim) {
        const auto at = [&](std::int64_t k) -> float& {
          return columns ? result.at(head + k, i) : result.at(i, head + k);
        };
        for (std::int64_t k = 0; k < dim; ++k) work[static_cast<std::size_t>(k)] = at(k);
        rotate(work);
        for (std::int64_t k = 0; k < dim; ++k) at(k) = static_cast<float>(work[static_cast<std::size_t>(k)]);
      }
    }
  }
  return result;
}

// diag(H)^(exponent / 2) with a geometric mean of 1; inputs that are always 0 get 1.
std::vector<float> scales_of(const Matrix<float>& h, double exponent) {
  double log_sum = 0;
  std::int64_t live = 0;
  for (std::int64_t i = 0; i < h.rows(); ++i) {
    if (!(h.at(i, i) > 0)) continue;
    log_sum += std::log(static_cast<double>(h.at(i, i)));
    ++live;
  }
  const double mean = live > 0 ? log_sum / static_cast<double>(live) : 0;
  std::vector<float> scales;
  for (std::int64_t i = 0; i < h.rows(); ++i) {
    const bool is_live = h.at(i, i) > 0;
    scales.push_back(is_live ? static_cast<float>(std::exp(
                                   exponent / 2 * (std::log(static_cast<double>(h.at(i, i))) - mean)))
                             : 1.0f);
  }
  return scales;
}

std::vector<std::int32_t> by_falling_diagonal(const Matrix<float>& h) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(h.rows()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return h.at(a, a) > h.at(b, b); });
  return order;
}

class BlockFolder {
 public:
  BlockFolder(Block& block, const ModelConfig& config, StageHessians hessians, const GptqOptions& gptq,
              const KernelContext& kernels)
      : block_(block), config_(config), hessians_(std::move(hessians)), gptq_(gptq), kernels_(kernels) {}

  Result<BlockFolds> fold() {
    for (std::size_t stage = 0; stage < kNumBlockStages; ++stage) {
      ASSAY_TRY(errors_[stage], error_of(block_, static_cast<BlockStage>(stage), hessians_[stage]));
    }
    BlockFolds folds;
    folds.error_before = total_error();
    ASSAY_TRY(folds.attention_exponent, scale_inputs(BlockStage::kAttentionInput, scale_attention_inputs));
    ASSAY_TRY(folds.values_rotated, rotate());
    ASSAY_TRY(folds.mlp_exponent, scale_inputs(BlockStage::kMlpInput, scale_mlp_inputs));
    ASSAY_TRY(folds.channels_permuted, permute());
    ASSAY_TRY(folds.channel_exponent, scale_inputs(BlockStage::kMlpOutput, scale_mlp_channels));
    folds.error_after = total_error();
    return folds;
  }

 private:
  Matrix<float>& hessian(BlockStage stage) { return hessians_[static_cast<std::size_t>(stage)]; }
  double& error(BlockStage stage) { return errors_[static_cast<std::size_t>(stage)]; }
  double total_error() const { return std::accumulate(errors_.begin(), errors_.end(), 0.0); }

  // Summed over the matrices of a stage of a block, where the stage's inputs have the second moments h.
  Result<double> error_of(const Block& block, BlockStage stage, const Matrix<float>& h) const {
    double sum = 0;
    std::optional<HessianFactor> factor;
    for (const Slot slot : slots_of(stage)) {
      const auto& linear = block.at(slot);
      if (!linear) continue;
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      if (!factor) {
        ASSAY_TRY(factor, prepare_hessian(h.view(), gptq_));
      }
      ASSAY_TRY(const Matrix<float> w, dequantize_dense(*linear, kernels_));
      ASSAY_TRY(const GptqResult result, quantize_gptq(w.view(), *factor, gptq_, *kernels_.pool));
      sum += result.error.output;
    }
    return sum;
  }

  using ScaleInputs = Status (*)(Block&, const ModelConfig&, std::span<const float>, const KernelTable&);
  // The exponent that was applied.
  Result<double> scale_inputs(BlockStage stage, ScaleInputs apply) {
    Block best = block_;
    Matrix<float> best_hessian = hessian(stage);
    double chosen = 0;
    for (const double exponent : kExponents) {
      const auto scales = scales_of(hessian(stage), exponent);
      Block candidate = block_;
      if (const Status status = apply(candidate, config_, scales, *kernels_.table); !status) {
        if (status.error().code == ErrorCode::kUnsupported) return 0.0;
        return status.error();
      }
      Matrix<float> h = scaled(hessian(stage), scales);
      ASSAY_TRY(const double reached, error_of(candidate, stage, h));
      if (reached >= error(stage)) continue;
      error(stage) = reached;
      chosen = exponent;
      best = std::move(candidate);
      best_hessian = std::move(h);
    }
    block_ = std::move(best);
    hessian(stage) = std::move(best_hessian);
    return chosen;
  }

  Result<bool> rotate() {
    constexpr BlockStage kReading = BlockStage::kAttentionInput, kWriting = BlockStage::kAttentionOutput;
    Block candidate = block_;
    if (const Status status = rotate_values(candidate, config_, *kernels_.table); !status) {
      if (status.error().code == ErrorCode::kUnsupported) return false;
      return status.error();
    }
    Matrix<float> h = rotated(hessian(kWriting), config_.head_dim);
    ASSAY_TRY(const double of_values, error_of(candidate, kReading, hessian(kReading)));
    ASSAY_TRY(const double of_output, error_of(candidate, kWriting, h));
    if (of_values + of_output >= error(kReading) + error(kWriting)) return false;
    error(kReading) = of_values;
    error(kWriting) = of_output;
    block_ = std::move(candidate);
    hessian(kWriting) = std::move(h);
    return true;
  }

  Result<bool> permute() {
    constexpr BlockStage kStage = BlockStage::kMlpOutput;
    const auto order = by_falling_diagonal(hessian(kStage));
    Block candidate = block_;
    if (const Status status = permute_mlp(candidate, config_, order, *kernels_.table); !status) {
      if (status.error().code == ErrorCode::kUnsupported) return false;
      return status.error();
    }
    Matrix<float> h = permuted(hessian(kStage), order);
    ASSAY_TRY(const double reached, error_of(candidate, kStage, h));
    if (reached >= error(kStage)) return false;
    error(kStage) = reached;
    block_ = std::move(candidate);
    hessian(kStage) = std::move(h);
    return true;
  }

  Block& block_;
  const ModelConfig& config_;
  StageHessians hessians_;
  std::array<double, kNumBlockStages> errors_{};  // of each stage, as the block is now
  const GptqOptions& gptq_;
  KernelContext kernels_;
};

}  // namespace

Result<std::vector<BlockFolds>> fold_weights(LanguageModel& model, const CalibrationSet& calibration,
                                             const GptqOptions& gptq, const KernelContext& kernels,
                                             Progress& progress) {
  ASSAY_RETURN_IF_ERROR(check_gptq_options(gptq));
  Forward forward(model, kernels);
  ASSAY_TRY(BlockStream stream, BlockStream::create(forward, calibration, Reads::kAll));
  std::vector<BlockFolds> folds;
  for (std::int64_t layer = 0; layer < model.config.num_layers; ++layer) {
    ASSAY_TRY(StageHessians hessians, stream.hessians(layer, *kernels.pool));
    Block& block = model.blocks[static_cast<std::size_t>(layer)];
    auto folded = BlockFolder(block, model.config, std::move(hessians), gptq, kernels).fold();
    if (!folded) return folded.error();
    folds.push_back(*folded);
    ASSAY_RETURN_IF_ERROR(stream.pass(layer));
    progress.update("folding", layer + 1, model.config.num_layers);
  }
  return folds;
}

}  // namespace assay
