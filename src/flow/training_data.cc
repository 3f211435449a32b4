#include "flow/training_data.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace assay {
namespace {

// Enough to judge by; the others are worth more for training.
constexpr std::size_t kMostHeldOut = 32;
// Adam's means are poor in the beginning.
constexpr double kLeastWarmUp = 4, kWarmUpShare = 0.02;

}  // namespace

Result<TrainingData> divide_calibration(const CalibrationSet& calibration) {
  if (calibration.sequences.size() < 2)
    return Error{ErrorCode::kInvalidArgument,
                 "calibration: training needs at least 2 sequences, one of them to judge by; give more text "
                 "or a smaller --sequence-length"};
  TrainingData data;
  for (std::size_t i = 0; i < calibration.sequences.size(); ++i) {
    const auto& sequence = calibration.sequences[i];
    data.sequences.push_back(
        {static_cast<std::int64_t>(data.tokens.size()), static_cast<std::int64_t>(sequence.size()), nullptr});
    data.tokens.insert(data.tokens.end(), sequence.begin(), sequence.end());
    const bool held_out = is_held_out(i) && data.held_out.size() < kMostHeldOut;
    (held_out ? data.held_out : data.train).push_back(i);
  }
  if (data.held_out.empty()) {
    data.held_out.push_back(data.train.back());
    data.train.pop_back();
  }
  return data;
}

TrainingBatch make_batch(const TrainingData& data, std::span<const std::size_t> chosen) {
  TrainingBatch batch;
  for (const std::size_t i : chosen) {
    batch.chosen.push_back(i);
    batch.sequences.push_back({batch.num_rows, data.sequences[i].num_rows, nullptr});
    batch.num_rows += data.sequences[i].num_rows;
  }
  return batch;
}

Matrix<float> gather_rows(const TrainingData& data, const TrainingBatch& batch,
                          MatrixView<const float> rows) {
  Matrix<float> out(batch.num_rows, rows.cols);
  for (std::size_t i = 0; i < batch.chosen.size(); ++i) {
    const SequenceRows& from = data.sequences[batch.chosen[i]];
    for (std::int64_t t = 0; t < from.num_rows; ++t)
      std::copy_n(rows.row(from.first_row + t), rows.cols, out.row(batch.sequences[i].first_row + t));
  }
  return out;
}

void scatter_rows(const TrainingData& data, const TrainingBatch& batch, MatrixView<const float> from,
                  MatrixView<float> rows) {
  for (std::size_t i = 0; i < batch.chosen.size(); ++i) {
    const SequenceRows& to = data.sequences[batch.chosen[i]];
    for (std::int64_t t = 0; t < to.num_rows; ++t)
      std::copy_n(from.row(batch.sequences[i].first_row + t), from.cols, rows.row(to.first_row + t));
  }
}

std::vector<TrainingBatch> cut_batches(const TrainingData& data, std::span<const std::size_t> chosen,
                                       std::int64_t max_rows) {
  std::vector<TrainingBatch> batches;
  std::vector<std::size_t> together;
  std::int64_t rows = 0;
  for (const std::size_t i : chosen) {
    if (!together.empty() && rows + data.sequences[i].num_rows > max_rows) {
      batches.push_back(make_batch(data, together));
      together.clear();
      rows = 0;
    }
    together.push_back(i);
    rows += data.sequences[i].num_rows;
  }
  if (!together.empty()) batches.push_back(make_batch(data, together));
  return batches;
}

std::vector<std::size_t> draw_sequences(const TrainingData& data, std::int64_t step, std::int64_t per_step,
                                        std::uint64_t seed) {
  const auto count = static_cast<std::int64_t>(data.train.size());
  std::vector<std::size_t> chosen, order;
  std::int64_t round_of_order = -1;
  for (std::int64_t place = step * per_step; place < (step + 1) * per_step; ++place) {
    if (place / count != round_of_order) {
      round_of_order = place / count;
      order = data.train;
      Rng rng(seed + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(round_of_order + 1));
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    }
    chosen.push_back(order[static_cast<std::size_t>(place % count)]);
  }
  return chosen;
}

float rate_factor(std::int64_t step, std::int64_t steps) {
  const double warm_up = std::max(kLeastWarmUp, kWarmUpShare * static_cast<double>(steps));
  const double rise = std::min(1.0, static_cast<double>(step + 1) / warm_up);
  return static_cast<float>(rise * (1.0 - static_cast<double>(step) / static_cast<double>(steps)));
}

}  // namespace assay
