// Did a change alter which examples are answered correctly, or is it chance?
#pragma once
#include <cstdint>
#include <span>

#include "base/result.h"

namespace assay::eval {

struct PairedRecord {
  std::int64_t examples = 0;
  std::int64_t both_correct = 0;
  std::int64_t only_first = 0;   // correct under the first model alone
  std::int64_t only_second = 0;  // correct under the second model alone
  std::int64_t both_wrong = 0;
  double difference = 0;  // accuracy of the second minus that of the first
  double p_value = 1;     // McNemar's exact test, two-sided
};

// McNemar's exact test (binomial, p = 1/2, over the examples on which the two disagree): p_value =
// min(1, 2 * P[X <= min(only_first, only_second)]), 1 if they never disagree.
// `first[i]` and `second[i]`: whether example i is correct, the same examples in the same order.
// Errors: kInvalidArgument if the lengths differ or are 0. Numerics: relative error of p_value below 1e-8 for
// up to 10^4 disagreements (at most 5000 rounded additions to a logarithm below 7000); p below 1e-300 may
// become 0. Thread safe.
Result<PairedRecord> compare_paired(std::span<const std::uint8_t> first,
                                    std::span<const std::uint8_t> second);

}  // namespace assay::eval
