#include "kernels/kernels_testing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "base/rng.h"

namespace assay {
namespace {

// Where the IEEE halves lie in a block.
std::vector<std::size_t> half_offsets(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
      return {108};
    case DType::kQ6_K:
      return {208};
    default:
      return {};
  }
}

Float16 small_half(Rng& rng) { return to_float16(static_cast<float>(rng.normal() * 0.05)); }

void fill_plain(DType dtype, std::vector<std::byte>& bytes, Rng& rng) {
  const std::size_t step = info(dtype).block_bytes;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto value = static_cast<float>(rng.normal());
    const Float16 half = to_float16(value);
    const BFloat16 brain = to_bfloat16(value);
    const void* stored = dtype == DType::kF32   ? static_cast<const void*>(&value)
                         : dtype == DType::kF16 ? static_cast<const void*>(&half)
                                                : &brain;
    std::memcpy(bytes.data() + at, stored, step);
  }
}

void fill_blocks(DType dtype, std::vector<std::byte>& bytes, Rng& rng) {
  for (auto& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
  const std::size_t step = info(dtype).block_bytes;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    for (const std::size_t offset : half_offsets(dtype)) {
      const Float16 half = small_half(rng);
      std::memcpy(bytes.data() + at + offset, &half, sizeof(half));
    }
  }
}

// The largest code plus the zero point of the formats that have rounded input, in units of the scale.
double code_range(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return 15 + 8;
    case DType::kQ4_1:
      return 15;
    case DType::kQ5_0:
      return 31 + 16;
    case DType::kQ5_1:
      return 31;
    case DType::kQ8_0:
      return 255 + 128;
    default:
      return 0;
  }
}

// sum_c (|scale| (largest code + zero point) + |minimum|) |x|: what is summed where codes and zero points go
// apart.
double separate_parts(const WeightView& weight, std::int64_t row, std::span<const float> x) {
  double sum = 0;
  std::vector<float> values(static_cast<std::size_t>(weight.cols));
  dequantize_row(*tables_here().front(), weight, row, values);
  for (std::int64_t c = 0; c < weight.cols; ++c) {
    double part = 0;
    if (!weight.is_dense()) {
      const auto g = row * weight.num_groups() + c / weight.group_size;
      part = std::abs(to_float(weight.scales[g])) * ((1 << weight.bits) + weight.zeros[g]);
    } else if (code_range(weight.dtype) > 0) {
      Float16 halves[2];
      std::memcpy(halves, weight.row(row) + c / 32 * info(weight.dtype).block_bytes, sizeof(halves));
      const bool has_minimum = weight.dtype == DType::kQ4_1 || weight.dtype == DType::kQ5_1;
      part = std::abs(to_float(halves[0])) * code_range(weight.dtype);
      if (has_minimum) part += std::abs(to_float(halves[1]));
    } else if (info(weight.dtype).block_values == 256) {
      // Two codes of the 16 that share a scale differ, so the scale is at most twice the largest value; codes
      // are below 64.
      for (std::int64_t i = c / 16 * 16; i < c / 16 * 16 + 16; ++i) {
        part = std::max(part, 128.0 * std::abs(values[static_cast<std::size_t>(i)]));
      }
    }
    sum += part * std::abs(x[static_cast<std::size_t>(c)]);
  }
  return sum;
}

}  // namespace

TestWeights dense_weights(DType dtype, std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Rng rng(seed);
  TestWeights weights;
  weights.bytes.resize(num_bytes(dtype, static_cast<std::uint64_t>(rows * cols)));
  if (info(dtype).block_values == 1) {
    fill_plain(dtype, weights.bytes, rng);
  } else {
    fill_blocks(dtype, weights.bytes, rng);
  }
  weights.view = dense_view(dtype, weights.bytes, rows, cols);
  return weights;
}

TestWeights group_weights(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size,
                          std::uint64_t seed) {
  Rng rng(seed);
  TestWeights weights;
  weights.groups = GroupQuantMatrix(bits, rows, cols, group_size);
  const std::uint64_t levels = std::uint64_t{1} << bits;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (auto& code : codes) code = static_cast<std::uint8_t>(rng.below(levels));
    weights.groups.set_row(r, codes);
    for (std::int64_t g = 0; g < weights.groups.num_groups(); ++g) {
      weights.groups.scale(r, g) = small_half(rng);
      weights.groups.zero(r, g) = static_cast<std::uint8_t>(rng.below(levels));
    }
  }
  weights.view = weights.groups.view();
  return weights;
}

std::string TestFormat::name() const {
  if (bits == 0) return std::string(info(dtype).name);
  return "group" + std::to_string(bits) + "x" + std::to_string(group_size);
}

std::int64_t TestFormat::block_values() const { return bits == 0 ? info(dtype).block_values : 1; }

TestWeights TestFormat::make(std::int64_t rows, std::int64_t cols, std::uint64_t seed) const {
  return bits == 0 ? dense_weights(dtype, rows, cols, seed)
                   : group_weights(bits, rows, cols, group_size, seed);
}

std::vector<TestFormat> all_formats() {
  std::vector<TestFormat> formats;
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
        DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    formats.push_back({.dtype = dtype});
  }
  for (const int bits : {2, 3, 4, 8}) {
    for (const std::int64_t group_size : {7, 16, 32, 33, 48, 64, 128, 100000}) {
      formats.push_back({.bits = bits, .group_size = group_size});
    }
  }
  return formats;
}

std::vector<float> normal_values(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = static_cast<float>(rng.normal());
  return values;
}

std::vector<float> reference_values(const WeightView& weight) {
  std::vector<float> values(static_cast<std::size_t>(weight.rows * weight.cols));
  const auto cols = static_cast<std::size_t>(weight.cols);
  for (std::int64_t r = 0; r < weight.rows; ++r) {
    dequantize_row(*tables_here().front(), weight, r,
                   std::span(values).subspan(static_cast<std::size_t>(r) * cols, cols));
  }
  return values;
}

Expected exact_product(const WeightView& weight, MatrixView<const float> x, std::span<const float> bias) {
  const auto values = reference_values(weight);
  Expected expected;
  for (std::int64_t t = 0; t < x.rows; ++t) {
    for (std::int64_t r = 0; r < weight.rows; ++r) {
      const double start = bias.empty() ? 0.0 : bias[static_cast<std::size_t>(r)];
      double sum = start;
      double magnitude = std::abs(start);
      for (std::int64_t c = 0; c < weight.cols; ++c) {
        const double term =
            static_cast<double>(values[static_cast<std::size_t>(r * weight.cols + c)]) * x.at(t, c);
        sum += term;
        magnitude += std::abs(term);
      }
      expected.y.push_back(sum);
      expected.bound.push_back(static_cast<double>(weight.cols + 4) * 0x1.0p-24 * magnitude);
    }
  }
  return expected;
}

void add_rounding_bound(const WeightView& weight, MatrixView<const float> x, Expected& expected,
                        std::int64_t group_cols) {
  const auto w = reference_values(weight);
  for (std::int64_t t = 0; t < x.rows; ++t) {
    for (std::int64_t r = 0; r < weight.rows; ++r) {
      for (std::int64_t first = 0; first < weight.cols; first += group_cols) {
        double largest = 0, magnitude = 0;
        for (std::int64_t c = first; c < std::min(weight.cols, first + group_cols); ++c) {
          largest = std::max(largest, static_cast<double>(std::abs(x.at(t, c))));
          magnitude += std::abs(static_cast<double>(w[static_cast<std::size_t>(r * weight.cols + c)]));
        }
        expected.bound[static_cast<std::size_t>(t * weight.rows + r)] += largest / 254 * 1.0001 * magnitude;
      }
    }
  }
}

void add_integer_sum_bound(const WeightView& weight, MatrixView<const float> x, Expected& expected) {
  for (std::int64_t t = 0; t < x.rows; ++t) {
    for (std::int64_t r = 0; r < weight.rows; ++r) {
      const std::span<const float> row(x.row(t), static_cast<std::size_t>(x.cols));
      expected.bound[static_cast<std::size_t>(t * weight.rows + r)] +=
          static_cast<double>(weight.cols / 32 + 40) * 0x1.0p-24 * separate_parts(weight, r, row);
    }
  }
}

testing::AssertionResult within_bound(std::span<const float> actual, std::span<const double> expected,
                                      std::span<const double> bound) {
  if (actual.size() != expected.size() || actual.size() != bound.size()) {
    return testing::AssertionFailure() << "sizes differ: " << actual.size() << ", " << expected.size();
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (error <= bound[i]) continue;  // false for NaN
    std::ostringstream message;
    message.precision(10);
    message << "at " << i << " of " << actual.size() << ": " << actual[i] << " instead of " << expected[i]
            << ", error " << error << ", bound " << bound[i];
    return testing::AssertionFailure() << message.str();
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult same_bits(std::span<const float> actual, std::span<const float> expected) {
  if (actual.size() != expected.size()) return testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(float)) == 0) continue;
    return testing::AssertionFailure() << "at " << i << " of " << actual.size() << ": " << std::hexfloat
                                       << actual[i] << " instead of " << expected[i];
  }
  return testing::AssertionSuccess();
}

std::vector<const KernelTable*> tables_here() { return runnable_kernels(detect_cpu_features()); }

std::string table_name(const testing::TestParamInfo<const KernelTable*>& info) {
  return std::string(name(*info.param));
}

}  // namespace assay
