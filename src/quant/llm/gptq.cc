#include "quant/llm/gptq.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "quant/llm/blas.h"
#include "quant/llm/validate.h"

namespace assay {
namespace {

// Rows solved together: as wide as keeps BLAS busy, narrow enough that 192 rows make work for several threads.
constexpr std::int64_t kPanelRows = 96;
// Columns whose updates are done by plain loops; farther ones get them in one product.
constexpr std::int64_t kStrip = 16;

// Where grids begin and end, in the order of the solver. A position is an index into the factor's order.
struct GroupLayout {
  std::int64_t columns_per_group = 1;
  std::vector<std::int32_t> group;      // [in]: position -> column group of the result
  std::vector<std::int64_t> group_end;  // [in]: position -> end of the run of positions that share the grid; empty: static
  std::vector<std::int32_t> column;     // [in]: position -> column of the result
};

GroupLayout lay_out_groups(const HessianFactor& factor, const GptqOptions& options) {
  const auto cols = static_cast<std::int64_t>(factor.order.size());
  GroupLayout layout;
  layout.columns_per_group = group_columns(options.group_size, cols);
  const bool regrouped = options.order == ColumnOrder::kActivation && !options.static_groups && layout.columns_per_group < cols;
  for (std::int64_t position = 0; position < cols; ++position) {
    const auto column = regrouped ? static_cast<std::int32_t>(position) : factor.order[static_cast<std::size_t>(position)];
    layout.column.push_back(column);
    layout.group.push_back(static_cast<std::int32_t>(column / layout.columns_per_group));
  }
  if (options.static_groups) return layout;
  layout.group_end.assign(factor.order.size(), cols);
  for (std::int64_t position = cols - 2; position >= 0; --position) {
    const auto i = static_cast<std::size_t>(position);
    layout.group_end[i] = layout.group[i] == layout.group[i + 1] ? layout.group_end[i + 1] : position + 1;
  }
  return layout;
}

// The end of the block that starts at `begin`: a whole number of groups, or a part of one longer than `length`, so that
// a group found inside of the block lies inside of it.
std::int64_t block_end(const GroupLayout& layout, std::int64_t begin, std::int64_t length) {
  const auto cols = static_cast<std::int64_t>(layout.column.size());
  if (layout.group_end.empty()) return std::min(begin + length, cols);
  std::int64_t end = begin;
  while (end < cols && layout.group_end[static_cast<std::size_t>(end)] - begin <= length) {
    end = layout.group_end[static_cast<std::size_t>(end)];
  }
  return end > begin ? end : begin + length;
}

// Some rows of W, transposed: values of one column lie side by side, so that work on a column runs over rows.
class PanelSolver {
 public:
  // grids: scales and zeros to use, or nullptr.
  PanelSolver(MatrixView<const float> w, const HessianFactor& factor, const GptqOptions& options, const GroupLayout& layout,
              const GroupQuantMatrix* grids)
      : w_(w), factor_(factor), options_(options), layout_(layout), grids_(grids), rows_(w.rows),
        num_groups_((w.cols + layout.columns_per_group - 1) / layout.columns_per_group), values_(w.cols, w.rows),
        errors_(std::min(options.block_size, w.cols), w.rows), codes_(w.cols, w.rows),
        scales_(num_groups_, w.rows), zeros_(num_groups_, w.rows) {
    for (const auto input : factor.order) {
      importance_.push_back(factor.diagonal[static_cast<std::size_t>(input)]);
    }
  }

  // Writes rows [first_row, first_row + w.rows) of `result`.
  void solve(std::int64_t first_row, GroupQuantMatrix& result) {
    load();
    result_ = &result;
    first_row_ = first_row;
    if (grids_ != nullptr) {
      take_grids();
    } else if (layout_.group_end.empty()) {
      find_static_grids();
    }
    const auto cols = w_.cols;
    for (std::int64_t begin = 0; begin < cols;) {
      const auto end = block_end(layout_, begin, options_.block_size);
      solve_block(begin, end);
      spread(begin, end, 0, end, cols);
      begin = end;
    }
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t column = 0; column < cols; ++column) codes[static_cast<std::size_t>(column)] = codes_.at(column, row);
      result.set_row(first_row + row, codes);
    }
  }

 private:
  void load() {
    for (std::int64_t position = 0; position < w_.cols; ++position) {
      const auto input = factor_.order[static_cast<std::size_t>(position)];
      if (factor_.diagonal[static_cast<std::size_t>(input)] == 0.0f) continue;
      for (std::int64_t row = 0; row < rows_; ++row) values_.at(position, row) = w_.at(row, input);
    }
  }

  void find_grids(std::int32_t group, const std::vector<std::int64_t>& positions) {
    std::vector<float> values(positions.size());
    std::vector<float> importance(positions.size());
    for (std::size_t i = 0; i < positions.size(); ++i) importance[i] = importance_[static_cast<std::size_t>(positions[i])];
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::size_t i = 0; i < positions.size(); ++i) values[i] = values_.at(positions[i], row);
      set_grid(row, group, find_grid(values, importance, options_.grid));
    }
  }

  void take_grids() {
    for (std::int64_t group = 0; group < num_groups_; ++group) {
      for (std::int64_t row = 0; row < rows_; ++row) set_grid(row, group, {grids_->scale(first_row_ + row, group), grids_->zero(first_row_ + row, group)});
    }
  }

  void set_grid(std::int64_t row, std::int64_t group, QuantGrid grid) {
    result_->scale(first_row_ + row, group) = grid.scale;
    result_->zero(first_row_ + row, group) = grid.zero;
    scales_.at(group, row) = to_float(grid.scale);
    zeros_.at(group, row) = static_cast<float>(grid.zero);
  }

  void find_static_grids() {
    std::vector<std::vector<std::int64_t>> positions(static_cast<std::size_t>(num_groups_));
    for (std::int64_t position = 0; position < w_.cols; ++position) {
      positions[static_cast<std::size_t>(layout_.group[static_cast<std::size_t>(position)])].push_back(position);
    }
    for (std::size_t group = 0; group < positions.size(); ++group) find_grids(static_cast<std::int32_t>(group), positions[group]);
  }

  void find_grid_at(std::int64_t position) {
    if (layout_.group_end.empty()) return;
    const auto group = layout_.group[static_cast<std::size_t>(position)];
    if (position > 0 && layout_.group[static_cast<std::size_t>(position - 1)] == group) return;
    std::vector<std::int64_t> positions;
    for (auto i = position; i < layout_.group_end[static_cast<std::size_t>(position)]; ++i) positions.push_back(i);
    find_grids(group, positions);
  }

  // Columns [begin, end), strip by strip; strips end where groups end, so that a group is found with every update applied.
  void solve_block(std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end;) {
      auto last = std::min(first + kStrip, end);
      if (!layout_.group_end.empty()) last = std::min(last, layout_.group_end[static_cast<std::size_t>(first)]);
      find_grid_at(first);
      for (auto position = first; position < last; ++position) {
        quantize_column(position, errors_.row(position - begin));
        for (auto later = position + 1; later < last; ++later) {
          subtract(errors_.row(position - begin), factor_.upper.at(position, later), values_.row(later));
        }
      }
      spread(first, last, first - begin, last, end);
      first = last;
    }
  }

  void subtract(const float* error, float factor, float* values) const {
    for (std::int64_t row = 0; row < rows_; ++row) values[row] -= error[row] * factor;
  }

  void quantize_column(std::int64_t position, float* error) {
    const float* value = values_.row(position);
    const auto group = layout_.group[static_cast<std::size_t>(position)];
    const float* scale = scales_.row(group);
    const float* zero = zeros_.row(group);
    const float pivot = factor_.upper.at(position, position);
    const auto max_code = static_cast<float>((1 << options_.grid.bits) - 1);
    std::uint8_t* codes = codes_.row(layout_.column[static_cast<std::size_t>(position)]);
    for (std::int64_t row = 0; row < rows_; ++row) {
      const float step = nearest_step(value[row], scale[row], -zero[row], max_code - zero[row]);
      error[row] = (value[row] - step * scale[row]) / pivot;
      codes[row] = static_cast<std::uint8_t>(static_cast<int>(step + zero[row]));
    }
  }

  // values[from, to) -= U[begin, end)[from, to)^T errors, the errors of [begin, end) lying from row `error_row` on.
  void spread(std::int64_t begin, std::int64_t end, std::int64_t error_row, std::int64_t from, std::int64_t to) {
    if (from >= to) return;
    const auto stride = static_cast<int>(w_.cols);
    const auto rows = static_cast<int>(rows_);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(to - from), rows, static_cast<int>(end - begin), -1.0f,
                factor_.upper.row(begin) + from, stride, errors_.row(error_row), rows, 1.0f, values_.row(from), rows);
  }

  MatrixView<const float> w_;
  const HessianFactor& factor_;
  const GptqOptions& options_;
  const GroupLayout& layout_;
  const GroupQuantMatrix* grids_;
  std::int64_t rows_;
  std::int64_t num_groups_;
  Matrix<float> values_;           // [in, rows], by position
  Matrix<float> errors_;           // [block, rows]
  Matrix<std::uint8_t> codes_;     // [in, rows], by column of the result
  Matrix<float> scales_;           // [groups, rows]
  Matrix<float> zeros_;            // [groups, rows]
  std::vector<float> importance_;  // [in], by position
  GroupQuantMatrix* result_ = nullptr;
  std::int64_t first_row_ = 0;
};

// Every panel of rows, on the layout's groups and, where they are given, on `grids`.
Result<GptqResult> solve_panels(MatrixView<const float> w, const HessianFactor& factor, const GptqOptions& options,
                                const GroupLayout& layout, const GroupQuantMatrix* grids, ThreadPool& pool) {
  ASSAY_RETURN_IF_ERROR(check_finite("weight", w));
  GptqResult result;
  result.matrix = GroupQuantMatrix(options.grid.bits, w.rows, w.cols, layout.columns_per_group);
  if (layout.column != factor.order) result.column_order = factor.order;
  const auto num_panels = (w.rows + kPanelRows - 1) / kPanelRows;
  pool.take_turns(num_panels, [&](std::int64_t panel, int) {
    const auto begin = panel * kPanelRows;
    PanelSolver solver(w.rows_between(begin, std::min(begin + kPanelRows, w.rows)), factor, options, layout, grids);
    solver.solve(begin, result.matrix);
  });
  result.damp_used = factor.damp_used;
  result.damp_retries = factor.damp_retries;
  result.error = layer_error(w, result.matrix, result.column_order, factor.h, pool);
  if (!std::isfinite(result.error.weight) || !std::isfinite(result.error.output)) {
    return Error{ErrorCode::kCorrupt, "weights or Hessian too large: the error of the quantized layer is not a finite number"};
  }
  return result;
}

}  // namespace

Status check_gptq_options(const GptqOptions& options) {
  ASSAY_RETURN_IF_ERROR(check_grid_options(options.grid, options.group_size));
  if (!(options.damp > 0 && options.damp <= 1)) {
    return Error{ErrorCode::kInvalidArgument, "damp is " + std::to_string(options.damp) + ", expected more than 0 and at most 1"};
  }
  if (options.block_size < 1 || options.block_size > 4096) {
    return Error{ErrorCode::kInvalidArgument, "block size is " + std::to_string(options.block_size) + ", expected 1 to 4096"};
  }
  return {};
}

Result<GptqResult> quantize_gptq(MatrixView<const float> w, const HessianFactor& factor, const GptqOptions& options,
                                 ThreadPool& pool) {
  ASSAY_CHECK(w.cols == factor.h.cols && blas_is_single_threaded());
  ASSAY_RETURN_IF_ERROR(check_gptq_options(options));
  ASSAY_CHECK(options.order == factor.ordering);
  ASSAY_CHECK(options.order != ColumnOrder::kGroupAware || group_columns(options.group_size, w.cols) == factor.columns_per_group);
  const auto layout = lay_out_groups(factor, options);
  return solve_panels(w, factor, options, layout, nullptr, pool);
}

Result<GptqResult> quantize_gptq_on_grids(MatrixView<const float> w, const HessianFactor& factor, const GroupQuantMatrix& grids,
                                          const GptqOptions& options, ThreadPool& pool) {
  ASSAY_CHECK(w.cols == factor.h.cols && blas_is_single_threaded());
  ASSAY_CHECK(grids.rows() == w.rows && grids.cols() == w.cols && grids.bits() == options.grid.bits);
  ASSAY_RETURN_IF_ERROR(check_gptq_options(options));
  GptqOptions on_grids = options;
  on_grids.static_groups = true;
  on_grids.group_size = grids.group_size();
  return solve_panels(w, factor, on_grids, lay_out_groups(factor, on_grids), &grids, pool);
}

}  // namespace assay
