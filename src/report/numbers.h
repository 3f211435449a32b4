// Numbers as the report prints them: one form per quantity, the same everywhere, whatever the locale.
#pragma once
#include <optional>
#include <string>

#include "report/study.h"

namespace assay::report {

inline constexpr const char* kAbsent = "n/a";

std::string fixed(double value, int decimals);
// With "+" or a true minus sign (U+2212).
std::string signed_fixed(double value, int decimals);
// Three significant digits without an exponent where that takes at most nine characters: "0.0192", "118",
// "2400"; else "4.1e10".
std::string significant(double value);
// "98.4 MB": MB is 10^6 bytes.
std::string megabytes(double bytes);
// 0.2883 as "28.8".
std::string percent(double share, int decimals = 1);
// "28.8 [26.2, 35.6]"
std::string percent_with_interval(const Estimate& estimate);
// "-0.3 [-0.9, +0.2]", points of percent.
std::string points_with_interval(const Comparison& comparison);
// "1.38 [1.30, 1.45]"
std::string ratio_with_interval(const Estimate& ratio);
// "p = 0.03", "p < 0.001"
std::string p_value(double p);
// "1,000"
std::string grouped(std::int64_t number);

}  // namespace assay::report
