#include "gradient/trainable_block.h"

#include <algorithm>
#include <utility>

namespace assay {
namespace {

std::span<float> all(Matrix<float>& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.rows() * matrix.cols())};
}

}  // namespace

TrainableBlock::TrainableBlock(BlockGradient gradient, const KernelContext& kernels)
    : gradient_(std::move(gradient)), kernels_(kernels) {}

Result<TrainableBlock> TrainableBlock::create(const LanguageModel& original, const LanguageModel& quantized,
                                              std::int64_t layer, LatentStart latent_start,
                                              const KernelContext& kernels) {
  ASSAY_TRY(BlockGradient gradient, BlockGradient::create(quantized, layer, kernels));
  TrainableBlock out(std::move(gradient), kernels);
  const Block& block = quantized.blocks[static_cast<std::size_t>(layer)];
  out.weights_ = block_parameters(original.blocks[static_cast<std::size_t>(layer)], kernels);
  for (std::size_t i = 0; i < kNumSlots; ++i) {
    if (!block.linears[i]) continue;
    const Linear& linear = *block.linears[i];
    if (!linear.quantized)
      return Error{ErrorCode::kInvalidArgument,
                   linear.name + ": is not quantized; training starts from a quantized model"};
    out.slots_.push_back(i);
    out.orders_.push_back(linear.column_order);
    out.state_.layers.emplace_back();
    out.quants_.push_back(FakeQuant::create(*linear.quantized, linear.column_order,
                                            out.weights_.linears[i].view(), latent_start,
                                            out.state_.layers.back().parameters));
  }
  for (std::size_t i = 0; i < kNumNormSlots; ++i) {
    if (!block.norms[i]) continue;
    out.norm_slots_.push_back(i);
    out.start_norms_.push_back(block.norms[i]->weight);
    out.state_.norms.push_back({std::vector<float>(block.norms[i]->weight.size(), 1.0f), {}});
  }
  out.dweights_ = zeros_like(out.weights_);
  out.refresh();
  return out;
}

void TrainableBlock::refresh() {
  for (std::size_t i = 0; i < slots_.size(); ++i)
    quants_[i].simulate(state_.layers[i].parameters, weights_.linears[slots_[i]].view(), *kernels_.pool);
  for (std::size_t i = 0; i < norm_slots_.size(); ++i) {
    auto& weight = weights_.norms[norm_slots_[i]];
    for (std::size_t c = 0; c < weight.size(); ++c)
      weight[c] = start_norms_[i][c] * state_.norms[i].factors[c];
  }
}

void TrainableBlock::forward(MatrixView<const float> x, std::span<const SequenceRows> sequences,
                             BlockTape& tape, MatrixView<float> y) {
  gradient_.forward(weights_, x, sequences, tape, y);
}

void TrainableBlock::backward(MatrixView<const float> x, std::span<const SequenceRows> sequences,
                              const BlockTape& tape, MatrixView<const float> dy, MatrixView<float> dx) {
  gradient_.backward(weights_, x, sequences, tape, dy, dweights_, dx);
}

void TrainableBlock::step(const TrainingRates& rates, std::int64_t step) {
  ThreadPool& pool = *kernels_.pool;
  const auto move = [&](std::span<float> values, std::span<float> gradients, AdamState& adam, float rate) {
    if (rate > 0) adam_step(values, gradients, adam, step, rate, {}, pool);
  };
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto& layer = state_.layers[i];
    Matrix<float>& dweight = dweights_.linears[slots_[i]];
    QuantParameters gradients = zero_gradients(layer.parameters, rates.latent > 0);
    quants_[i].gradient(layer.parameters, dweight.view(), gradients, pool);
    std::ranges::fill(all(dweight), 0.0f);
    move(all(layer.parameters.latent), all(gradients.latent), layer.latent, rates.latent);
    move(all(layer.parameters.scales), all(gradients.scales), layer.scales, rates.scale);
    move(all(layer.parameters.zeros), all(gradients.zeros), layer.zeros, rates.zero);
  }
  for (std::size_t i = 0; i < norm_slots_.size(); ++i) {
    auto& gradient = dweights_.norms[norm_slots_[i]];
    for (std::size_t c = 0; c < gradient.size(); ++c) gradient[c] *= start_norms_[i][c];
    move(state_.norms[i].factors, gradient, state_.norms[i].adam, rates.norm);
    std::ranges::fill(gradient, 0.0f);
  }
  refresh();
}

void TrainableBlock::export_to(Block& block) const {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    block.linears[slots_[i]]->set_quantized(
        std::make_shared<GroupQuantMatrix>(quants_[i].export_matrix(state_.layers[i].parameters)),
        orders_[i]);
  }
  for (std::size_t i = 0; i < norm_slots_.size(); ++i)
    block.norms[norm_slots_[i]]->weight = weights_.norms[norm_slots_[i]];
}

}  // namespace assay
