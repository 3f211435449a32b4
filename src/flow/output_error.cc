#include "flow/output_error.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace assay {
namespace {

// Sums over one group of columns.
struct Moments {
  double count = 0, sum = 0, square = 0, error = 0;

  double variance() const { return square / count - (sum / count) * (sum / count); }
};

}  // namespace

OutputReference::OutputReference(std::vector<std::size_t> columns) : columns_(std::move(columns)) {}

void OutputReference::add(std::vector<std::vector<float>> outputs) {
  ASSAY_CHECK(outputs.size() == columns_.size());
  pictures_.push_back(std::move(outputs));
}

double OutputReference::error(std::span<const std::vector<std::vector<float>>> outputs) const {
  ASSAY_CHECK(outputs.size() == pictures_.size() && !pictures_.empty());
  double total = 0;
  int groups = 0;
  for (std::size_t output = 0; output < columns_.size(); ++output) {
    const std::size_t columns = columns_[output];
    std::vector<bool> probability(columns, true);
    for (const auto& picture : pictures_) {
      for (std::size_t i = 0; i < picture[output].size(); ++i) {
        const float value = picture[output][i];
        if (!(value >= 0 && value <= 1)) probability[i % columns] = false;
      }
    }
    Moments moments[2];
    for (std::size_t p = 0; p < pictures_.size(); ++p) {
      const auto& wanted = pictures_[p][output];
      ASSAY_CHECK(outputs[p][output].size() == wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        Moments& group = moments[probability[i % columns] ? 1 : 0];
        const auto value = static_cast<double>(wanted[i]);
        const double off = static_cast<double>(outputs[p][output][i]) - value;
        if (!std::isfinite(off)) return std::numeric_limits<double>::infinity();
        group.count += 1;
        group.sum += value;
        group.square += value * value;
        group.error += off * off;
      }
    }
    for (const Moments& group : moments) {
      // Without variance there is nothing to compare an error with.
      if (group.count == 0 || !(group.variance() > 0)) continue;
      total += group.error / group.count / group.variance();
      ++groups;
    }
  }
  return groups > 0 ? total / groups : 0;
}

}  // namespace assay
