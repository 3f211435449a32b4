#include "eval/moments.h"

#include <cmath>

#include "base/check.h"

namespace assay::eval {

Moments moments(std::span<const double> values) {
  ASSAY_CHECK(!values.empty());
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  Moments result{sum / count, std::nullopt};
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) squares += (value - result.mean) * (value - result.mean);
    result.stderr_of_mean = std::sqrt(squares / (count - 1)) / std::sqrt(count);
  }
  return result;
}

}  // namespace assay::eval
