// FastestDet: one grid of stride 16 with objectness, box and class probabilities.
// Source: FastestDet, utils/tool.py, handle_preds.
#include <cmath>

#include "detect/heads/candidates.h"

namespace assay::detect {

Result<std::vector<Candidate>> fastestdet_candidates(const HeadInput& input) {
  const Output& output = input.outputs[0];
  const auto& shape = output.info.shape;
  const int rows = input.height / 16, columns = input.width / 16;
  // [1, channels, rows, columns] from PyTorch, [1, rows, columns, channels] once converted to TFLite.
  const bool planar = shape[2] == rows && shape[3] == columns;
  const auto channels = static_cast<std::size_t>(planar ? shape[1] : shape[3]);
  const auto cells = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  ScoreReader read(input.options);
  std::vector<Candidate> candidates;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const auto at = [&](std::size_t channel) {
      return output.values[planar ? channel * cells + cell : cell * channels + channel];
    };
    float best = read(at(5));
    int best_class = 0;
    for (std::size_t c = 1; c < channels - 5; ++c) {
      const float score = read(at(5 + c));
      if (score > best) best = score, best_class = static_cast<int>(c);
    }
    const float score = std::pow(read(at(0)), 0.6f) * std::pow(best, 0.4f);
    if (!(score > input.options.score_threshold)) continue;
    const auto column = static_cast<float>(cell % static_cast<std::size_t>(columns));
    const auto row = static_cast<float>(cell / static_cast<std::size_t>(columns));
    const auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
    candidates.push_back(from_center((std::tanh(at(1)) + column) / static_cast<float>(columns) * width,
                                     (std::tanh(at(2)) + row) / static_cast<float>(rows) * height,
                                     sigmoid(at(3)) * width, sigmoid(at(4)) * height, score, best_class));
  }
  ASSAY_RETURN_IF_ERROR(read.status(output.info));
  return candidates;
}

}  // namespace assay::detect
