// How far a detector's raw outputs are from those of its float model, on the same pictures.
#pragma once
#include <span>
#include <vector>

namespace assay {

// The float outputs of one picture after the other, and what they say about the scale of errors. Columns (the
// last dimension) that stay within 0 and 1 are probabilities; they and the others count apart, since boxes in
// pixels beside probabilities would drown them.
class OutputReference {
 public:
  // `columns`: of each output, the size of its last dimension; >= 1.
  explicit OutputReference(std::vector<std::size_t> columns);

  // The values of every output for the next picture. REQUIRES: as many outputs, whole rows.
  void add(std::vector<std::vector<float>> outputs);

  std::size_t pictures() const { return pictures_.size(); }

  // Noise to signal: over each group (of each output) the mean squared error by the variance of the float
  // values, the mean over groups. `outputs[picture][output]` as they were added; values that are not finite
  // make it infinite. 0 where all is equal. REQUIRES: at least one picture.
  double error(std::span<const std::vector<std::vector<float>>> outputs) const;

 private:
  std::vector<std::size_t> columns_;
  std::vector<std::vector<std::vector<float>>> pictures_;  // [picture][output][value]
};

}  // namespace assay
