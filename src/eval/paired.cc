#include "eval/paired.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace assay::eval {
namespace {

// 2 P[X <= few] for X ~ Binomial(few + many, 1/2), few <= many, at most 1. The terms fall from i = few
// downwards by factors i / (n - i + 1) <= 1, so the sum is that of its largest term and ratios.
double two_sided_p(std::int64_t few, std::int64_t many) {
  if (few == many) return 1;
  const auto n = static_cast<double>(few + many);
  double ratio = 1;
  double sum = 1;
  for (std::int64_t i = few; i > 0; --i) {
    ratio *= static_cast<double>(i) / (n - static_cast<double>(i) + 1);
    sum += ratio;
  }
  double log_largest = -n * std::numbers::ln2;  // of C(n, few) / 2^n; lgamma would write a global
  for (std::int64_t i = 1; i <= few; ++i)
    log_largest += std::log(static_cast<double>(many + i) / static_cast<double>(i));
  return std::min(1.0, 2 * std::exp(log_largest) * sum);
}

}  // namespace

Result<PairedRecord> compare_paired(std::span<const std::uint8_t> first,
                                    std::span<const std::uint8_t> second) {
  if (first.size() != second.size() || first.empty()) {
    return Error{ErrorCode::kInvalidArgument, "paired comparison of " + std::to_string(first.size()) +
                                                  " with " + std::to_string(second.size()) +
                                                  " examples; expected equal numbers, at least one"};
  }
  PairedRecord record;
  record.examples = static_cast<std::int64_t>(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i] != 0 && second[i] != 0) ++record.both_correct;
    if (first[i] != 0 && second[i] == 0) ++record.only_first;
    if (first[i] == 0 && second[i] != 0) ++record.only_second;
    if (first[i] == 0 && second[i] == 0) ++record.both_wrong;
  }
  record.difference =
      static_cast<double>(record.only_second - record.only_first) / static_cast<double>(record.examples);
  record.p_value = two_sided_p(std::min(record.only_first, record.only_second),
                               std::max(record.only_first, record.only_second));
  return record;
}

}  // namespace assay::eval
