#include "report/numbers.h"

#include <fmt/format.h>

#include <cmath>

namespace assay::report {
namespace {

constexpr const char* kMinus = "\u2212";

std::string with_true_minus(std::string text) {
  if (!text.empty() && text.front() == '-') text.replace(0, 1, kMinus);
  return text;
}

}  // namespace

std::string fixed(double value, int decimals) {
  // "-0.0" says that something is negative which the digits don't show.
  if (std::abs(value) * std::pow(10, decimals) < 0.5) value = 0;
  return with_true_minus(fmt::format("{:.{}f}", value, decimals));
}

std::string signed_fixed(double value, int decimals) {
  const std::string text = fixed(value, decimals);
  return value > 0 && std::abs(value) * std::pow(10, decimals) >= 0.5 ? "+" + text : text;
}

std::string significant(double value) {
  if (value == 0) return "0";
  const double magnitude = std::floor(std::log10(std::abs(value)) + 1e-12);
  if (magnitude > 6 || magnitude < -6) {
    const double mantissa = std::round(value / std::pow(10, magnitude) * 10) / 10;
    return fixed(mantissa, 1) + "e" + fixed(magnitude, 0);
  }
  // Rounding may add a digit: 9.996 is 10.0, not 10.00.
  const int digits = static_cast<int>(magnitude);
  const double unit = std::pow(10, digits - 2);
  const double rounded = std::round(value / unit) * unit;
  const int rounded_digits = static_cast<int>(std::floor(std::log10(std::abs(rounded)) + 1e-12));
  return fixed(rounded, std::max(0, 2 - rounded_digits));
}

std::string megabytes(double bytes) { return significant(bytes / 1e6) + " MB"; }

std::string percent(double share, int decimals) { return fixed(100 * share, decimals); }

std::string percent_with_interval(const Estimate& estimate) {
  if (!estimate.interval) return percent(estimate.value);
  return percent(estimate.value) + " [" + percent(estimate.interval->low) + ", " +
         percent(estimate.interval->high) + "]";
}

std::string points_with_interval(const Comparison& comparison) {
  std::string text = signed_fixed(100 * comparison.difference, 2);
  if (comparison.interval) {
    text += " [" + signed_fixed(100 * comparison.interval->low, 2) + ", " +
            signed_fixed(100 * comparison.interval->high, 2) + "]";
  }
  return text;
}

std::string ratio_with_interval(const Estimate& ratio) {
  if (!ratio.interval) return fixed(ratio.value, 2);
  return fixed(ratio.value, 2) + " [" + fixed(ratio.interval->low, 2) + ", " +
         fixed(ratio.interval->high, 2) + "]";
}

std::string p_value(double p) {
  if (p < 0.001) return "p < 0.001";
  return p < 0.1 ? "p = " + fixed(p, 3) : "p = " + fixed(p, 2);
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(std::abs(number));
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return number < 0 ? kMinus + digits : digits;
}

}  // namespace assay::report
