#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "formats/gptq/gptq_packing.h"
#include "formats/gptq/gptq_tensors.h"

namespace assay {
namespace {

// Outputs that are unpacked together, so that reading along `out` stays within cache lines.
constexpr std::int64_t kBlock = 64;

Error corrupt(const TensorView& tensor, const std::string& message) {
  return {ErrorCode::kCorrupt, "tensor " + quote(tensor.name) + ": " + message};
}
Error unsupported(const TensorView& tensor, const std::string& message) {
  return {ErrorCode::kUnsupported, "tensor " + quote(tensor.name) + ": " + message};
}

// What follows from qweight and the configuration.
struct Layout {
  GptqUnit unit;
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t group_size = 0;
  std::int64_t num_groups = 0;
};

template <typename T>
T load(const TensorView& tensor, std::int64_t index) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

Status check_storage(const TensorView& tensor) {
  auto expected = tensor_bytes("tensor " + quote(tensor.name), tensor.dtype, tensor.shape);
  if (!expected) return expected.error();
  if (*expected != tensor.bytes.size()) {
    return corrupt(tensor, "has " + std::to_string(tensor.bytes.size()) + " bytes, its shape needs " +
                               std::to_string(*expected));
  }
  return {};
}

Status check_shape(const TensorView& tensor, const std::vector<std::int64_t>& expected,
                   const Layout& layout) {
  if (tensor.shape == expected) return check_storage(tensor);
  return corrupt(tensor, "shape is " + shape_text(tensor.shape) + ", expected " + shape_text(expected) +
                             " for " + std::to_string(layout.in) + " inputs, " + std::to_string(layout.out) +
                             " outputs and groups of " + std::to_string(layout.group_size));
}

Status check_words(const TensorView& tensor) {
  if (tensor.dtype == DType::kI32) return {};
  return unsupported(tensor, "dtype is " + std::string(info(tensor.dtype).name) + ", expected I32");
}

Result<Layout> find_layout(const TensorView& qweight, int bits, std::int64_t group_size) {
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
    return unsupported(qweight, std::to_string(bits) + " bits are not supported (only 2, 3, 4 and 8)");
  }
  if (group_size != -1 && group_size < 1) {
    return Error{ErrorCode::kInvalidArgument, "group size is " + std::to_string(group_size)};
  }
  ASSAY_RETURN_IF_ERROR(check_words(qweight));
  if (qweight.shape.size() != 2 || qweight.shape[0] < 1 || qweight.shape[1] < 1) {
    return corrupt(qweight,
                   "shape is " + shape_text(qweight.shape) + ", expected [inputs * bits / 32, outputs]");
  }
  ASSAY_RETURN_IF_ERROR(check_storage(qweight));
  Layout layout{gptq_unit(bits)};
  // The bytes of qweight are in memory, so neither of these numbers comes near to overflow.
  const std::int64_t words = qweight.shape[0];
  if (words % layout.unit.num_words != 0) {
    return corrupt(qweight,
                   std::to_string(words) + " words per output are not whole units of three (3 bits)");
  }
  layout.in = words / layout.unit.num_words * layout.unit.num_codes;
  if (layout.in > std::numeric_limits<std::int32_t>::max())
    return unsupported(qweight, "more inputs than g_idx can number");
  layout.out = qweight.shape[1];
  if (layout.out % layout.unit.num_codes != 0) {
    return unsupported(qweight, std::to_string(layout.out) + " outputs are not a multiple of " +
                                    std::to_string(layout.unit.num_codes) +
                                    ", so zero points do not fill words");
  }
  layout.group_size = group_size == -1 ? layout.in : std::min(group_size, layout.in);
  layout.num_groups = (layout.in + layout.group_size - 1) / layout.group_size;
  return layout;
}

// Destination of each checkpoint input among the sorted columns; empty when all stay where they are.
Result<std::vector<std::int32_t>> find_destinations(const TensorView& g_idx, const Layout& layout) {
  std::vector<std::int32_t> groups(static_cast<std::size_t>(layout.in));
  std::vector<std::int64_t> population(static_cast<std::size_t>(layout.num_groups));
  bool is_identity = true;
  bool is_zero = true;
  for (std::int64_t c = 0; c < layout.in; ++c) {
    const auto group = load<std::int32_t>(g_idx, c);
    if (group < 0 || group >= layout.num_groups) {
      return corrupt(g_idx, "input " + std::to_string(c) + " is in group " + std::to_string(group) + " of " +
                                std::to_string(layout.num_groups));
    }
    is_identity = is_identity && group == c / layout.group_size;
    is_zero = is_zero && group == 0;
    groups[static_cast<std::size_t>(c)] = group;
    ++population[static_cast<std::size_t>(group)];
  }
  // Some writers leave g_idx at zero where the order is the natural one.
  if (is_identity || is_zero) return std::vector<std::int32_t>();
  for (std::int64_t g = 0; g < layout.num_groups; ++g) {
    const std::int64_t expected = std::min(layout.group_size, layout.in - g * layout.group_size);
    if (population[static_cast<std::size_t>(g)] != expected) {
      return unsupported(g_idx, "group " + std::to_string(g) + " has " +
                                    std::to_string(population[static_cast<std::size_t>(g)]) +
                                    " inputs, only groups of " + std::to_string(expected) +
                                    " are supported there");
    }
  }
  std::vector<std::int64_t> next(static_cast<std::size_t>(layout.num_groups));
  for (std::int64_t g = 0; g < layout.num_groups; ++g)
    next[static_cast<std::size_t>(g)] = g * layout.group_size;
  std::vector<std::int32_t> destinations(groups.size());
  for (std::size_t c = 0; c < groups.size(); ++c) {
    destinations[c] = static_cast<std::int32_t>(next[static_cast<std::size_t>(groups[c])]++);
  }
  return destinations;
}

Result<Float16> exact_scale(const TensorView& scales, std::int64_t index) {
  if (scales.dtype == DType::kF16) return load<Float16>(scales, index);
  const float wide =
      scales.dtype == DType::kBF16 ? to_float(load<BFloat16>(scales, index)) : load<float>(scales, index);
  const Float16 narrow = to_float16(wide);
  if (to_float(narrow) != wide) {
    return unsupported(scales, "value " + std::to_string(wide) + " at " + std::to_string(index) +
                                   " cannot be held by float16 exactly");
  }
  return narrow;
}

Status unpack_scales(const TensorView& scales, const Layout& layout, GroupQuantMatrix& matrix) {
  if (scales.dtype != DType::kF16 && scales.dtype != DType::kBF16 && scales.dtype != DType::kF32) {
    return unsupported(scales,
                       "dtype is " + std::string(info(scales.dtype).name) + ", expected F16, BF16 or F32");
  }
  ASSAY_RETURN_IF_ERROR(check_shape(scales, {layout.num_groups, layout.out}, layout));
  for (std::int64_t g = 0; g < layout.num_groups; ++g) {
    for (std::int64_t o = 0; o < layout.out; ++o) {
      ASSAY_TRY(matrix.scale(o, g), exact_scale(scales, g * layout.out + o));
    }
  }
  return {};
}

// From stored zero points to real ones.
void decode_zeros(const GptqUnit& unit, GptqFormat format, UnitWords& words, UnitCodes& codes) {
  const bool adds_one = format == GptqFormat::kV1;
  const std::uint32_t largest = (1u << unit.bits) - 1;
  // Adding a one to every field at once lets a carry undo the borrow that the same subtraction made where z
  // was 0.
  if (adds_one && unit.num_words == 1) words[0] += 0xffffffffu / largest;
  for_bits(unit.bits, [&](auto bits) { unpack_unit<bits.value>(words, codes.data()); });
  if (adds_one && unit.num_words > 1) {
    for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>((code + 1) & largest);
  }
}

Status unpack_zeros(const TensorView& qzeros, const Layout& layout, GptqFormat format,
                    GroupQuantMatrix& matrix) {
  const GptqUnit& unit = layout.unit;
  const std::int64_t units = layout.out / unit.num_codes;
  ASSAY_RETURN_IF_ERROR(check_words(qzeros));
  ASSAY_RETURN_IF_ERROR(check_shape(qzeros, {layout.num_groups, units * unit.num_words}, layout));
  UnitWords words{};
  UnitCodes codes{};
  for (std::int64_t g = 0; g < layout.num_groups; ++g) {
    for (std::int64_t u = 0; u < units; ++u) {
      for (int w = 0; w < unit.num_words; ++w) {
        words[static_cast<std::size_t>(w)] =
            load<std::uint32_t>(qzeros, (g * units + u) * unit.num_words + w);
      }
      decode_zeros(unit, format, words, codes);
      for (int k = 0; k < unit.num_codes; ++k)
        matrix.zero(u * unit.num_codes + k, g) = codes[static_cast<std::size_t>(k)];
    }
  }
  return {};
}

template <int kBits>
void unpack_codes_of(const TensorView& qweight, const Layout& layout,
                     const std::vector<std::int32_t>& destinations, GroupQuantMatrix& matrix) {
  const GptqUnit unit = gptq_unit(kBits);
  const std::int64_t units = layout.in / unit.num_codes;
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(kBlock * layout.in));
  UnitWords words{};
  UnitCodes codes{};
  for (std::int64_t begin = 0; begin < layout.out; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, layout.out - begin);
    for (std::int64_t u = 0; u < units; ++u) {
      for (std::int64_t o = 0; o < count; ++o) {
        for (int w = 0; w < unit.num_words; ++w) {
          words[static_cast<std::size_t>(w)] =
              load<std::uint32_t>(qweight, (u * unit.num_words + w) * layout.out + begin + o);
        }
        std::uint8_t* row = rows.data() + o * layout.in;
        const std::int64_t first = u * unit.num_codes;
        if (destinations.empty()) {
          unpack_unit<kBits>(words, row + first);
          continue;
        }
        unpack_unit<kBits>(words, codes.data());
        for (int k = 0; k < unit.num_codes; ++k) {
          row[destinations[static_cast<std::size_t>(first + k)]] = codes[static_cast<std::size_t>(k)];
        }
      }
    }
    for (std::int64_t o = 0; o < count; ++o) {
      matrix.set_row(begin + o, {rows.data() + o * layout.in, static_cast<std::size_t>(layout.in)});
    }
  }
}

}  // namespace

Result<UnpackedGptq> unpack_gptq(const GptqTensors& tensors, int bits, std::int64_t group_size,
                                 GptqFormat format) {
  ASSAY_TRY(const Layout layout, find_layout(tensors.qweight, bits, group_size));
  std::vector<std::int32_t> destinations;
  if (tensors.g_idx) {
    ASSAY_RETURN_IF_ERROR(check_words(*tensors.g_idx));
    ASSAY_RETURN_IF_ERROR(check_shape(*tensors.g_idx, {layout.in}, layout));
    ASSAY_TRY(destinations, find_destinations(*tensors.g_idx, layout));
  }
  UnpackedGptq unpacked{GroupQuantMatrix(bits, layout.out, layout.in, layout.group_size), {}};
  ASSAY_RETURN_IF_ERROR(unpack_scales(tensors.scales, layout, unpacked.matrix));
  ASSAY_RETURN_IF_ERROR(unpack_zeros(tensors.qzeros, layout, format, unpacked.matrix));
  for_bits(bits, [&](auto width) {
    unpack_codes_of<width.value>(tensors.qweight, layout, destinations, unpacked.matrix);
  });
  unpacked.column_order.resize(destinations.size());
  for (std::size_t c = 0; c < destinations.size(); ++c) {
    unpacked.column_order[static_cast<std::size_t>(destinations[c])] = static_cast<std::int32_t>(c);
  }
  return unpacked;
}

}  // namespace assay
