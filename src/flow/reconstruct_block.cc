#include "flow/reconstruct_block.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "flow/pass_block.h"

namespace assay {
namespace {

// Relative squared errors of the rows of y, summed; where `dy` has rows, it is set to the gradient of factor
// times the sum.
double relative_error(MatrixView<const float> y, MatrixView<const float> target, float factor,
                      MatrixView<float> dy) {
  double sum = 0;
  for (std::int64_t t = 0; t < y.rows; ++t) {
    double size = 0, distance = 0;
    for (std::int64_t c = 0; c < y.cols; ++c) {
      const double difference = static_cast<double>(y.at(t, c)) - target.at(t, c);
      distance += difference * difference;
      size += static_cast<double>(target.at(t, c)) * target.at(t, c);
    }
    size = std::max(size, 1e-30);
    sum += distance / size;
    if (dy.rows == 0) continue;
    const auto slope = static_cast<float>(2 * factor / size);
    for (std::int64_t c = 0; c < y.cols; ++c) dy.at(t, c) = slope * (y.at(t, c) - target.at(t, c));
  }
  return sum;
}

struct Pass {
  const TrainingData& data;
  const Matrix<float>& input;
  const Matrix<float>& target;
  TrainableBlock& block;
  BlockTape tape;

  Result<double> held_out_error() {
    double sum = 0;
    std::int64_t rows = 0;
    for (const auto& batch : cut_batches(data, data.held_out, kRowsOfPass)) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      Matrix<float> x = gather_rows(data, batch, input.view());
      block.forward(x.view(), batch.sequences, Factors::kFloat, tape, x.view());
      sum += relative_error(x.view(), gather_rows(data, batch, target.view()).view(), 0, {});
      rows += batch.num_rows;
    }
    return sum / static_cast<double>(rows);
  }

  void learn(const std::vector<std::size_t>& chosen, const TrainingRates& rates, std::int64_t step) {
    const TrainingBatch batch = make_batch(data, chosen);
    const Matrix<float> x = gather_rows(data, batch, input.view());
    Matrix<float> y(x.rows(), x.cols());
    block.forward(x.view(), batch.sequences, Factors::kFloat, tape, y.view());
    relative_error(y.view(), gather_rows(data, batch, target.view()).view(),
                   1.0f / static_cast<float>(batch.num_rows), y.view());
    block.backward(x.view(), batch.sequences, tape, y.view(), y.view());
    block.step(rates, step);
  }
};

}  // namespace

Result<ReconstructReport> reconstruct_block(const LanguageModel& original, LanguageModel& quantized,
                                            std::int64_t layer, const TrainingData& data,
                                            const ReconstructOptions& options, const KernelContext& kernels,
                                            BlockStreams& streams) {
  const auto start = std::chrono::steady_clock::now();
  const BatchPass all = pass_of_all(data);
  ASSAY_RETURN_IF_ERROR(pass_block(original, layer, data, {&all, 1}, kernels, streams.original.view()));
  ASSAY_TRY(TrainableBlock block,
            TrainableBlock::create(original, quantized, layer, LatentStart::kWeights, kernels));
  Pass pass{data, streams.quantized, streams.original, block, {}};
  ReconstructReport report;
  ASSAY_TRY(report.start_error, pass.held_out_error());
  report.error = report.start_error;
  const auto per_epoch = (static_cast<std::int64_t>(data.train.size()) + options.sequences_per_step - 1) /
                         options.sequences_per_step;
  report.steps = per_epoch * options.epochs;
  for (std::int64_t step = 0; step < report.steps; ++step) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    pass.learn(draw_sequences(data, step, options.sequences_per_step, options.seed),
               options.rates.times(rate_factor(step, report.steps)), step + 1);
    if ((step + 1) % per_epoch != 0) continue;
    ASSAY_TRY(const double error, pass.held_out_error());
    if (error < report.error) {
      report.error = error;
      block.export_to(quantized.blocks[static_cast<std::size_t>(layer)]);
    }
  }
  ASSAY_RETURN_IF_ERROR(pass_block(quantized, layer, data, {&all, 1}, kernels, streams.quantized.view()));
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace assay
