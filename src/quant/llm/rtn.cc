#include "quant/llm/rtn.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "quant/llm/validate.h"

namespace assay {

Result<GroupQuantMatrix> quantize_rtn(MatrixView<const float> w, std::int64_t group_size, const GridOptions& options,
                                      std::span<const float> importance, ThreadPool& pool) {
  ASSAY_RETURN_IF_ERROR(check_grid_options(options, group_size));
  ASSAY_RETURN_IF_ERROR(check_finite("weight", w));
  ASSAY_CHECK(importance.empty() ? !weighs_errors(options.search)
                                 : static_cast<std::int64_t>(importance.size()) == w.cols);
  const auto columns_per_group = group_columns(group_size, w.cols);
  GroupQuantMatrix result(options.bits, w.rows, w.cols, columns_per_group);
  pool.parallel_for(w.rows, 1, [&](WorkRange range) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(w.cols));
    for (std::int64_t row = range.begin; row < range.end; ++row) {
      for (std::int64_t group = 0; group < result.num_groups(); ++group) {
        const auto begin = static_cast<std::size_t>(group * columns_per_group);
        const auto length = std::min(static_cast<std::size_t>(columns_per_group), codes.size() - begin);
        const std::span<const float> values(w.row(row) + begin, length);
        const auto grid = find_grid(values, importance.empty() ? importance : importance.subspan(begin, length), options);
        quantize_values(values, grid, options.bits, std::span(codes).subspan(begin, length));
        result.scale(row, group) = grid.scale;
        result.zero(row, group) = grid.zero;
      }
      result.set_row(row, codes);
    }
  });
  return result;
}

}  // namespace assay
