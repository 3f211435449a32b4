#include "gradient/trainable_block.h"

#include <algorithm>
#include <utility>

namespace assay {
namespace {

std::span<float> row_of(Matrix<float>& matrix, std::int64_t r) {
  return {matrix.row(r), static_cast<std::size_t>(matrix.cols())};
}

// One row of what Adam moves at one rate.
void move_row(const AdamStep& step, Matrix<float>& values, std::span<const float> gradients, AdamState& state,
              std::int64_t r) {
  const std::size_t size = gradients.size(), begin = static_cast<std::size_t>(r) * size;
  step.move(row_of(values, r), gradients, std::span(state.mean).subspan(begin, size),
            std::span(state.square).subspan(begin, size));
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
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Matrix<float>& weights = weights_.linears[slots_[i]];
    kernels_.pool->parallel_for(weights.rows(), 1, [&](WorkRange range) {
      for (std::int64_t r = range.begin; r < range.end; ++r)
        quants_[i].simulate(state_.layers[i].parameters, r, row_of(weights, r));
    });
  }
  refresh_norms();
}

void TrainableBlock::refresh_norms() {
  for (std::size_t i = 0; i < norm_slots_.size(); ++i) {
    auto& weight = weights_.norms[norm_slots_[i]];
    for (std::size_t c = 0; c < weight.size(); ++c)
      weight[c] = start_norms_[i][c] * state_.norms[i].factors[c];
  }
}

void TrainableBlock::forward(MatrixView<const float> x, std::span<const SequenceRows> sequences,
                             Factors factors, BlockTape& tape, MatrixView<float> y) {
  gradient_.forward(weights_, x, sequences, factors, tape, y);
}

void TrainableBlock::backward(MatrixView<const float> x, std::span<const SequenceRows> sequences,
                              const BlockTape& tape, MatrixView<const float> dy, MatrixView<float> dx) {
  gradient_.backward(weights_, x, sequences, tape, dy, dweights_, dx);
}

// A row's gradients, its step, and the weights that follow are all made while it is in the cache.
void TrainableBlock::step_layer(std::size_t i, const TrainingRates& rates, std::int64_t step) {
  TrainingState::Layer& layer = state_.layers[i];
  QuantParameters& parameters = layer.parameters;
  Matrix<float>&weights = weights_.linears[slots_[i]], &dweights = dweights_.linears[slots_[i]];
  const AdamStep latent(step, rates.latent), scales(step, rates.scale), zeros(step, rates.zero);
  if (rates.trains_codes()) layer.latent.reach(parameters.latent.values().size());
  if (rates.scale > 0) layer.scales.reach(parameters.scales.values().size());
  if (rates.zero > 0) layer.zeros.reach(parameters.zeros.values().size());
  kernels_.pool->parallel_for(weights.rows(), 1, [&](WorkRange range) {
    QuantRowGradient gradient;
    for (std::int64_t r = range.begin; r < range.end; ++r) {
      quants_[i].gradient(parameters, r, row_of(dweights, r), gradient);
      std::ranges::fill(row_of(dweights, r), 0.0f);
      if (rates.trains_codes()) move_row(latent, parameters.latent, gradient.latent, layer.latent, r);
      if (rates.scale > 0) move_row(scales, parameters.scales, gradient.scales, layer.scales, r);
      if (rates.zero > 0) move_row(zeros, parameters.zeros, gradient.zeros, layer.zeros, r);
      quants_[i].simulate(parameters, r, row_of(weights, r));
    }
  });
}

void TrainableBlock::step(const TrainingRates& rates, std::int64_t step) {
  for (std::size_t i = 0; i < slots_.size(); ++i) step_layer(i, rates, step);
  const AdamStep norm_step(step, rates.norm);
  for (std::size_t i = 0; i < norm_slots_.size(); ++i) {
    TrainingState::Norm& norm = state_.norms[i];
    auto& gradient = dweights_.norms[norm_slots_[i]];
    for (std::size_t c = 0; c < gradient.size(); ++c) gradient[c] *= start_norms_[i][c];
    norm.adam.reach(gradient.size());
    norm_step.move(norm.factors, gradient, norm.adam.mean, norm.adam.square);
    std::ranges::fill(gradient, 0.0f);
  }
  refresh_norms();
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
