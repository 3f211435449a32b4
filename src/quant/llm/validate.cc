#include "quant/llm/validate.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace assay {
namespace {

Error out_of_range(const std::string& option, const std::string& found, const std::string& expected) {
  return {ErrorCode::kInvalidArgument, option + " is " + found + ", expected " + expected};
}

}  // namespace

Status check_grid_options(const GridOptions& options, std::int64_t group_size) {
  const int bits = options.bits;
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) return out_of_range("bits", std::to_string(bits), "2, 3, 4 or 8");
  if (options.min_zero != 0 && options.min_zero != 1) return out_of_range("min_zero", std::to_string(options.min_zero), "0 or 1");
  if (group_size < 1 && group_size != -1) {
    return out_of_range("group size", std::to_string(group_size), "at least 1, or -1 for the whole row");
  }
  if (!(options.norm > 0 && options.norm <= 16)) return out_of_range("norm", std::to_string(options.norm), "within (0, 16]");
  if (!(options.max_shrink > 0 && options.max_shrink < 1)) {
    return out_of_range("max_shrink", std::to_string(options.max_shrink), "within (0, 1)");
  }
  if (options.grid_steps < 1 || options.grid_steps > 10000) {
    return out_of_range("grid_steps", std::to_string(options.grid_steps), "1 to 10000");
  }
  return {};
}

Error not_finite(std::string_view name, std::int64_t row, std::int64_t col, float value) {
  return {ErrorCode::kCorrupt, std::string(name) + "[" + std::to_string(row) + ", " + std::to_string(col) + "] is " +
                                   std::to_string(value) + ", expected finite values"};
}

Status check_finite(std::string_view name, MatrixView<const float> values) {
  for (std::int64_t row = 0; row < values.rows; ++row) {
    const float* begin = values.row(row);
    const float* bad = std::find_if(begin, begin + values.cols, [](float value) { return !std::isfinite(value); });
    if (bad != begin + values.cols) return not_finite(name, row, bad - begin, *bad);
  }
  return {};
}

std::int64_t group_columns(std::int64_t group_size, std::int64_t cols) {
  return std::max<std::int64_t>(1, group_size == -1 ? cols : std::min(group_size, cols));
}

}  // namespace assay
