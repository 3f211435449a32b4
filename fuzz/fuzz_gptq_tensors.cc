// Tensors with shapes and bytes from the input: unpacking ends in a value or an error, and what was unpacked
// packs and unpacks to the same again.
//
// Input: bits, group size (signed), flags, then for qweight, qzeros, scales and g_idx two dimensions (signed
// bytes) and a dtype each, then the bytes of g_idx, scales, qzeros and qweight; zeros where the input ends.
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "formats/gptq/gptq_tensors.h"

namespace {

using namespace assay;

constexpr std::uint64_t kLargest = 1 << 16;

// Gives bytes while there are some, then zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

struct OwnedTensor {
  TensorView view;
  std::vector<std::byte> bytes;
};

OwnedTensor read_declaration(Input& input, const char* name, DType usual) {
  OwnedTensor tensor;
  const auto rows = static_cast<std::int8_t>(input.byte());
  const auto cols = static_cast<std::int8_t>(input.byte());
  const std::uint8_t dtype = input.byte();
  tensor.view = {name, dtype >= 20 ? usual : static_cast<DType>(dtype), {rows, cols}, {}};
  if (cols == 0) tensor.view.shape.pop_back();
  return tensor;
}

void fill(OwnedTensor& tensor, Input& input) {
  const auto needed = tensor_bytes(tensor.view.name, tensor.view.dtype, tensor.view.shape);
  tensor.bytes.resize(needed && *needed <= kLargest ? static_cast<std::size_t>(*needed) : 1);
  for (std::byte& byte : tensor.bytes) byte = static_cast<std::byte>(input.byte());
  tensor.view.bytes = tensor.bytes;
}

void check_round_trip(const UnpackedGptq& unpacked, int bits, std::int64_t group_size) {
  const auto packed = pack_gptq(unpacked.matrix, unpacked.column_order, GptqFormat::kV2);
  ASSAY_CHECK(packed.has_value());
  auto views = gptq_tensor_views(*packed, "again");
  const auto again = unpack_gptq({views[0], views[1], views[2], views[3]}, bits, group_size, GptqFormat::kV2);
  ASSAY_CHECK(again.has_value() && again->column_order == unpacked.column_order);
  std::vector<std::uint8_t> a(static_cast<std::size_t>(unpacked.matrix.cols()));
  std::vector<std::uint8_t> b = a;
  for (std::int64_t r = 0; r < unpacked.matrix.rows(); ++r) {
    unpacked.matrix.get_row(r, a);
    again->matrix.get_row(r, b);
    ASSAY_CHECK(a == b);
    for (std::int64_t g = 0; g < unpacked.matrix.num_groups(); ++g) {
      ASSAY_CHECK(unpacked.matrix.zero(r, g) == again->matrix.zero(r, g) &&
                  unpacked.matrix.scale(r, g).bits == again->matrix.scale(r, g).bits);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const int bits = input.byte() % 10;
  const auto group_size = static_cast<std::int8_t>(input.byte());
  const std::uint8_t flags = input.byte();
  OwnedTensor qweight = read_declaration(input, "qweight", DType::kI32);
  OwnedTensor qzeros = read_declaration(input, "qzeros", DType::kI32);
  OwnedTensor scales = read_declaration(input, "scales", DType::kF16);
  OwnedTensor g_idx = read_declaration(input, "g_idx", DType::kI32);
  for (OwnedTensor* tensor : {&g_idx, &scales, &qzeros, &qweight}) fill(*tensor, input);
  GptqTensors tensors{qweight.view, qzeros.view, scales.view, {}};
  if ((flags & 1) != 0) tensors.g_idx = g_idx.view;
  const auto unpacked =
      unpack_gptq(tensors, bits, group_size, (flags & 2) != 0 ? GptqFormat::kV1 : GptqFormat::kV2);
  if (unpacked) check_round_trip(*unpacked, bits, group_size);
  return 0;
}
