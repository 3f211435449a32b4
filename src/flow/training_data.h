// Calibration sequences as training sees them: divided once into those to learn from and those to judge by,
// and drawn in batches.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "engine/forward.h"
#include "flow/calibration.h"
#include "tensor/matrix.h"

namespace assay {

// Rows of all sequences, one after the other, in the order of the set.
struct TrainingData {
  std::vector<std::int32_t> tokens;
  std::vector<SequenceRows> sequences;       // tile the tokens
  std::vector<std::size_t> train, held_out;  // indices into sequences; both not empty
};

// Every eighth sequence is held out, or the last where there are fewer. Errors: kInvalidArgument for fewer
// than two sequences.
Result<TrainingData> divide_calibration(const CalibrationSet& calibration);

// Some sequences side by side.
struct TrainingBatch {
  std::vector<std::size_t> chosen;
  std::vector<SequenceRows> sequences;  // of the batch's own rows
  std::int64_t num_rows = 0;
};
TrainingBatch make_batch(const TrainingData& data, std::span<const std::size_t> chosen);
// The batch's rows of a matrix that has one for every token of `data`.
Matrix<float> gather_rows(const TrainingData& data, const TrainingBatch& batch, MatrixView<const float> rows);
// And back.
void scatter_rows(const TrainingData& data, const TrainingBatch& batch, MatrixView<const float> from,
                  MatrixView<float> rows);

// Cuts a list of sequences into batches of at most `max_rows` rows (one sequence may be longer).
std::vector<TrainingBatch> cut_batches(const TrainingData& data, std::span<const std::size_t> chosen,
                                       std::int64_t max_rows);

// The sequences that step `step` learns from: each of `train` once before any comes again, in an order drawn
// by the seed for every round.
std::vector<std::size_t> draw_sequences(const TrainingData& data, std::int64_t step, std::int64_t per_step,
                                        std::uint64_t seed);

// Rises over the first few of `steps`, then falls to zero in a straight line. step counts from 0.
float rate_factor(std::int64_t step, std::int64_t steps);

}  // namespace assay
