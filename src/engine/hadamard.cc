#include "engine/hadamard.h"

namespace assay {

void multiply_by_hadamard(std::span<double> values, std::size_t size) {
  for (std::size_t half = 1; half < size; half *= 2) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if ((i & half) != 0) continue;
      const double a = values[i], b = values[i + half];
      values[i] = a + b;
      values[i + half] = a - b;
    }
  }
}

}  // namespace assay
