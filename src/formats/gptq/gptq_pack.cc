#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "formats/gptq/gptq_packing.h"
#include "formats/gptq/gptq_tensors.h"

namespace assay {
namespace {

// Outputs that are packed together, so that writing along `out` stays within cache lines.
constexpr std::int64_t kBlock = 64;

Status check_packable(const char* what, std::int64_t count, const GptqUnit& unit) {
  if (count > 0 && count % unit.num_codes == 0 && count <= std::numeric_limits<std::int32_t>::max())
    return {};
  return Error{ErrorCode::kUnsupported, std::to_string(count) + " " + what + " cannot be packed: with " +
                                            std::to_string(unit.bits) + " bits a multiple of " +
                                            std::to_string(unit.num_codes) + " is needed"};
}

Status check_permutation(std::span<const std::int32_t> order, std::int64_t cols) {
  if (order.empty()) return {};
  const Error failed{ErrorCode::kInvalidArgument,
                     "column order is not a permutation of " + std::to_string(cols) + " columns"};
  if (static_cast<std::int64_t>(order.size()) != cols) return failed;
  std::vector<bool> seen(order.size());
  for (const std::int32_t c : order) {
    if (c < 0 || c >= cols || seen[static_cast<std::size_t>(c)]) return failed;
    seen[static_cast<std::size_t>(c)] = true;
  }
  return {};
}

void pack_codes_of(const GroupQuantMatrix& matrix, std::span<const std::int32_t> order, const GptqUnit& unit,
                   PackedGptq& packed) {
  const std::int64_t units = packed.in / unit.num_codes;
  std::vector<std::uint8_t> sorted(static_cast<std::size_t>(packed.in));
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(kBlock * packed.in));
  UnitWords words{};
  UnitCodes codes{};
  for (std::int64_t begin = 0; begin < packed.out; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, packed.out - begin);
    for (std::int64_t o = 0; o < count; ++o) {
      matrix.get_row(begin + o, sorted);
      std::uint8_t* row = rows.data() + o * packed.in;
      for (std::int64_t c = 0; c < packed.in; ++c) {
        row[order.empty() ? c : order[static_cast<std::size_t>(c)]] = sorted[static_cast<std::size_t>(c)];
      }
    }
    for (std::int64_t u = 0; u < units; ++u) {
      for (std::int64_t o = 0; o < count; ++o) {
        std::copy_n(rows.data() + o * packed.in + u * unit.num_codes, unit.num_codes, codes.data());
        pack_unit(unit, codes, words);
        for (int w = 0; w < unit.num_words; ++w) {
          packed.qweight[static_cast<std::size_t>((u * unit.num_words + w) * packed.out + begin + o)] =
              words[static_cast<std::size_t>(w)];
        }
      }
    }
  }
}

Status pack_zeros(const GroupQuantMatrix& matrix, GptqFormat format, const GptqUnit& unit,
                  PackedGptq& packed) {
  const int subtracted = format == GptqFormat::kV1 ? 1 : 0;
  UnitWords words{};
  UnitCodes codes{};
  auto next = packed.qzeros.begin();
  for (std::int64_t g = 0; g < packed.num_groups; ++g) {
    for (std::int64_t begin = 0; begin < packed.out; begin += unit.num_codes) {
      for (int k = 0; k < unit.num_codes; ++k) {
        const int zero = matrix.zero(begin + k, g);
        if (zero < subtracted || zero >= 1 << unit.bits) {
          return Error{
              ErrorCode::kInvalidArgument,
              "zero point " + std::to_string(zero) + " of output " + std::to_string(begin + k) + ", group " +
                  std::to_string(g) +
                  (zero == 0 ? ": format gptq cannot store 0, write gptq_v2" : " has too many bits")};
        }
        codes[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(zero - subtracted);
      }
      pack_unit(unit, codes, words);
      next = std::copy_n(words.begin(), unit.num_words, next);
    }
  }
  return {};
}

template <typename T>
ByteView bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

Result<PackedGptq> pack_gptq(const GroupQuantMatrix& matrix, std::span<const std::int32_t> column_order,
                             GptqFormat format) {
  const GptqUnit unit = gptq_unit(matrix.bits());
  ASSAY_RETURN_IF_ERROR(check_packable("inputs", matrix.cols(), unit));
  ASSAY_RETURN_IF_ERROR(check_packable("outputs", matrix.rows(), unit));
  ASSAY_RETURN_IF_ERROR(check_permutation(column_order, matrix.cols()));
  PackedGptq packed{matrix.bits(), matrix.cols(), matrix.rows(), matrix.num_groups()};
  const auto words_for = [&](std::int64_t rows, std::int64_t codes) {
    return static_cast<std::size_t>(rows * (codes / unit.num_codes * unit.num_words));
  };
  packed.qweight.resize(words_for(packed.out, packed.in));
  packed.qzeros.resize(words_for(packed.num_groups, packed.out));
  packed.scales.resize(static_cast<std::size_t>(packed.num_groups * packed.out));
  packed.g_idx.resize(static_cast<std::size_t>(packed.in));
  ASSAY_RETURN_IF_ERROR(pack_zeros(matrix, format, unit, packed));
  pack_codes_of(matrix, column_order, unit, packed);
  for (std::int64_t g = 0; g < packed.num_groups; ++g) {
    for (std::int64_t o = 0; o < packed.out; ++o) {
      packed.scales[static_cast<std::size_t>(g * packed.out + o)] = matrix.scale(o, g);
    }
  }
  for (std::int64_t c = 0; c < packed.in; ++c) {
    const std::int64_t input = column_order.empty() ? c : column_order[static_cast<std::size_t>(c)];
    packed.g_idx[static_cast<std::size_t>(input)] = static_cast<std::int32_t>(c / matrix.group_size());
  }
  return packed;
}

std::vector<TensorView> gptq_tensor_views(const PackedGptq& packed, const std::string& prefix) {
  static_assert(std::endian::native == std::endian::little);
  const std::int64_t in_words = packed.in * packed.bits / 32;
  const std::int64_t out_words = packed.out * packed.bits / 32;
  return {{prefix + ".qweight", DType::kI32, {in_words, packed.out}, bytes_of(packed.qweight)},
          {prefix + ".qzeros", DType::kI32, {packed.num_groups, out_words}, bytes_of(packed.qzeros)},
          {prefix + ".scales", DType::kF16, {packed.num_groups, packed.out}, bytes_of(packed.scales)},
          {prefix + ".g_idx", DType::kI32, {packed.in}, bytes_of(packed.g_idx)}};
}

}  // namespace assay
