#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

namespace assay {
namespace {

WeightFormat dense_format(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return WeightFormat::kF32;
    case DType::kF16:
      return WeightFormat::kF16;
    case DType::kBF16:
      return WeightFormat::kBF16;
    case DType::kQ4_0:
      return WeightFormat::kQ4_0;
    case DType::kQ4_1:
      return WeightFormat::kQ4_1;
    case DType::kQ5_0:
      return WeightFormat::kQ5_0;
    case DType::kQ5_1:
      return WeightFormat::kQ5_1;
    case DType::kQ8_0:
      return WeightFormat::kQ8_0;
    case DType::kQ2_K:
      return WeightFormat::kQ2_K;
    case DType::kQ3_K:
      return WeightFormat::kQ3_K;
    case DType::kQ4_K:
      return WeightFormat::kQ4_K;
    case DType::kQ5_K:
      return WeightFormat::kQ5_K;
    case DType::kQ6_K:
      return WeightFormat::kQ6_K;
    default:
      break;
  }
  ASSAY_CHECK(is_weight_dtype(dtype));
  return WeightFormat::kF32;
}

WeightFormat group_format(int bits) {
  switch (bits) {
    case 2:
      return WeightFormat::kGroup2;
    case 3:
      return WeightFormat::kGroup3;
    case 4:
      return WeightFormat::kGroup4;
    default:
      break;
  }
  ASSAY_CHECK(bits == 8);
  return WeightFormat::kGroup8;
}

}  // namespace

WeightRows weight_rows(const WeightView& weight) {
  WeightRows rows{};
  rows.data = reinterpret_cast<const std::uint8_t*>(weight.data);
  rows.row_bytes = weight.row_bytes;
  rows.cols = weight.cols;
  if (weight.is_dense()) {
    rows.format = dense_format(weight.dtype);
    return rows;
  }
  rows.format = group_format(weight.bits);
  rows.group_size = weight.group_size;
  rows.num_groups = weight.num_groups();
  static_assert(sizeof(Float16) == sizeof(std::uint16_t));
  rows.scales = reinterpret_cast<const std::uint16_t*>(weight.scales);
  rows.zeros = weight.zeros;
  return rows;
}

void dequantize_row(const KernelTable& table, const WeightView& weight, std::int64_t row,
                    std::span<float> out) {
  ASSAY_CHECK(row >= 0 && row < weight.rows && static_cast<std::int64_t>(out.size()) == weight.cols);
  const WeightRows rows = weight_rows(weight);
  table.dequantize[static_cast<int>(rows.format)](rows, row, 0, weight.cols, out.data());
}

Matrix<float> dequantize(const KernelContext& context, const WeightView& weight) {
  auto out = Matrix<float>::unset(weight.rows, weight.cols);
  context.pool->parallel_for(weight.rows, 1, [&](WorkRange range) {
    for (std::int64_t r = range.begin; r < range.end; ++r)
      dequantize_row(*context.table, weight, r, {out.row(r), static_cast<std::size_t>(weight.cols)});
  });
  return out;
}

}  // namespace assay
