// Checks of what reaches the solvers from files and flags.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "quant/llm/grid.h"
#include "tensor/matrix.h"

namespace assay {

// kInvalidArgument naming the option that is out of range.
Status check_grid_options(const GridOptions& options, std::int64_t group_size);

// kCorrupt: "<name>[row, col] is nan, expected finite values".
Error not_finite(std::string_view name, std::int64_t row, std::int64_t col, float value);

// The first NaN or Inf, as not_finite names it.
Status check_finite(std::string_view name, MatrixView<const float> values);

// Columns per group, at least 1: group_size, or the whole row for -1.
std::int64_t group_columns(std::int64_t group_size, std::int64_t cols);

}  // namespace assay
