#include "formats/gptq/gptq_tensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/rng.h"
#include "formats/gptq/gptq_packing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 11;

GroupQuantMatrix random_matrix(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group_size,
                               int lowest_zero) {
  Rng rng(kSeed);
  GroupQuantMatrix matrix(bits, rows, cols, group_size);
  const auto below = [&](std::uint64_t limit) { return static_cast<std::uint8_t>(rng.below(limit)); };
  const std::uint64_t levels = std::uint64_t{1} << bits;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (auto& code : codes) code = below(levels);
    matrix.set_row(r, codes);
    for (std::int64_t g = 0; g < matrix.num_groups(); ++g) {
      matrix.scale(r, g) = to_float16(static_cast<float>(1 + below(200)) / 64);
      matrix.zero(r, g) = static_cast<std::uint8_t>(static_cast<std::uint64_t>(lowest_zero) +
                                                    below(levels - static_cast<std::uint64_t>(lowest_zero)));
    }
  }
  return matrix;
}

std::vector<std::int32_t> random_order(std::int64_t count) {
  Rng rng(kSeed + 1);
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

// Within a group the order of columns is free; this is the one that unpack_gptq chooses.
void sort_within_groups(std::vector<std::int32_t>& order, std::int64_t group_size) {
  for (std::int64_t begin = 0; begin < static_cast<std::int64_t>(order.size()); begin += group_size) {
    const auto end = std::min(begin + group_size, static_cast<std::int64_t>(order.size()));
    std::sort(order.begin() + begin, order.begin() + end);
  }
}

GptqTensors tensors_of(const PackedGptq& packed) {
  auto views = gptq_tensor_views(packed, "layer");
  return {views[0], views[1], views[2], views[3]};
}

std::vector<std::uint8_t> row_of(const GroupQuantMatrix& matrix, std::int64_t r) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols()));
  matrix.get_row(r, codes);
  return codes;
}

void expect_same(const GroupQuantMatrix& a, const GroupQuantMatrix& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  ASSERT_EQ(a.num_groups(), b.num_groups());
  for (std::int64_t r = 0; r < a.rows(); ++r) {
    ASSERT_EQ(row_of(a, r), row_of(b, r)) << "row " << r;
    for (std::int64_t g = 0; g < a.num_groups(); ++g) {
      ASSERT_EQ(a.scale(r, g).bits, b.scale(r, g).bits) << r << " " << g;
      ASSERT_EQ(a.zero(r, g), b.zero(r, g)) << r << " " << g;
    }
  }
}

TEST(GptqUnit, PacksThreeBitsAsAutoGptqDoes) {
  // Values 10 and 21 are split over words; expected words by the loops of AutoGPTQ's qlinear_cuda_old.pack.
  UnitCodes codes;
  for (std::size_t k = 0; k < codes.size(); ++k) codes[k] = static_cast<std::uint8_t>((k * 5 + 3) % 8);
  UnitWords expected{};
  for (int j = 0; j < 10; ++j)
    expected[0] |= static_cast<std::uint32_t>(codes[static_cast<std::size_t>(j)]) << (3 * j);
  expected[0] |= static_cast<std::uint32_t>(codes[10]) << 30;
  expected[1] |= (codes[10] >> 2) & 1u;
  for (int j = 0; j < 10; ++j)
    expected[1] |= static_cast<std::uint32_t>(codes[static_cast<std::size_t>(j + 11)]) << (3 * j + 1);
  expected[1] |= static_cast<std::uint32_t>(codes[21]) << 31;
  expected[2] |= (codes[21] >> 1) & 3u;
  for (int j = 0; j < 10; ++j)
    expected[2] |= static_cast<std::uint32_t>(codes[static_cast<std::size_t>(j + 22)]) << (3 * j + 2);
  UnitWords words;
  pack_unit(gptq_unit(3), codes, words);
  EXPECT_EQ(words, expected);
  UnitCodes again{};
  unpack_unit<3>(words, again.data());
  EXPECT_EQ(again, codes);
}

TEST(GptqTensors, UnpackWhatWasPackedForAllBitsFormatsShapesAndOrders) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const GptqFormat format : {GptqFormat::kV1, GptqFormat::kV2}) {
      for (const auto& [rows, cols, group_size] : {std::tuple{32, 32, 32},
                                                   {96, 128, 32},
                                                   {64, 96, 64},
                                                   {32, 160, 1000},
                                                   {160, 64, 7},
                                                   {32, 32, 1}}) {
        for (const bool reordered : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << "bits " << bits << " v" << (format == GptqFormat::kV1 ? 1 : 2) << " " << rows << "x"
                       << cols << " group " << group_size << " reordered " << reordered);
          const auto matrix = random_matrix(bits, rows, cols, group_size, format == GptqFormat::kV1 ? 1 : 0);
          std::vector<std::int32_t> order;
          if (reordered) {
            order = random_order(cols);
            sort_within_groups(order, matrix.group_size());
          }
          const auto packed = pack_gptq(matrix, order, format);
          ASSERT_THAT(packed, IsOk());
          const auto unpacked = unpack_gptq(tensors_of(*packed), bits, group_size, format);
          ASSERT_THAT(unpacked, IsOk());
          expect_same(unpacked->matrix, matrix);
          // One group needs no order: sorted within it, it is the natural one.
          EXPECT_EQ(unpacked->column_order, matrix.num_groups() == 1 ? std::vector<std::int32_t>() : order);
        }
      }
    }
  }
}

TEST(GptqTensors, TakeGroupSizeMinusOneAsOneGroup) {
  const auto matrix = random_matrix(4, 32, 96, 96, 1);
  const auto packed = pack_gptq(matrix, {}, GptqFormat::kV1);
  ASSERT_THAT(packed, IsOk());
  EXPECT_EQ(packed->num_groups, 1);
  const auto unpacked = unpack_gptq(tensors_of(*packed), 4, -1, GptqFormat::kV1);
  ASSERT_THAT(unpacked, IsOk());
  expect_same(unpacked->matrix, matrix);
}

TEST(GptqTensors, NeedNoGroupIndicesWhereTheOrderIsNatural) {
  const auto matrix = random_matrix(4, 32, 64, 32, 1);
  auto packed = pack_gptq(matrix, {}, GptqFormat::kV1);
  ASSERT_THAT(packed, IsOk());
  auto tensors = tensors_of(*packed);
  tensors.g_idx.reset();
  const auto without = unpack_gptq(tensors, 4, 32, GptqFormat::kV1);
  ASSERT_THAT(without, IsOk());
  expect_same(without->matrix, matrix);
  std::fill(packed->g_idx.begin(), packed->g_idx.end(), 0);
  const auto zero = unpack_gptq(tensors_of(*packed), 4, 32, GptqFormat::kV1);
  ASSERT_THAT(zero, IsOk());
  expect_same(zero->matrix, matrix);
  EXPECT_TRUE(zero->column_order.empty());
}

TEST(GptqTensors, ReadFormatOneZerosOfZeroAsGptqModelStoresThem) {
  // GPTQModel subtracts 0x11111111 from whole words: zero points 0, 5, 0 ... become a borrow.
  const auto matrix = random_matrix(4, 32, 32, 32, 0);
  auto packed = pack_gptq(matrix, {}, GptqFormat::kV2);
  ASSERT_THAT(packed, IsOk());
  packed->qzeros[0] = 0x50u;
  for (auto& word : packed->qzeros) word -= 0x11111111u;
  const auto unpacked = unpack_gptq(tensors_of(*packed), 4, 32, GptqFormat::kV1);
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_EQ(unpacked->matrix.zero(0, 0), 0);
  EXPECT_EQ(unpacked->matrix.zero(1, 0), 5);
  for (std::int64_t r = 8; r < 32; ++r) EXPECT_EQ(unpacked->matrix.zero(r, 0), matrix.zero(r, 0));
}

TEST(GptqTensors, ReadFormatOneZerosOfThreeBitsFieldByField) {
  const auto matrix = random_matrix(3, 32, 32, 32, 1);
  auto packed = pack_gptq(matrix, {}, GptqFormat::kV1);
  ASSERT_THAT(packed, IsOk());
  packed->qzeros[0] |= 7u;
  const auto unpacked = unpack_gptq(tensors_of(*packed), 3, 32, GptqFormat::kV1);
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_EQ(unpacked->matrix.zero(0, 0), 0);
  for (std::int64_t r = 1; r < 32; ++r) EXPECT_EQ(unpacked->matrix.zero(r, 0), matrix.zero(r, 0));
}

TEST(GptqTensors, RefuseToWriteZeroPointZeroInFormatOne) {
  auto matrix = random_matrix(4, 32, 32, 32, 1);
  matrix.zero(17, 0) = 0;
  EXPECT_THAT(pack_gptq(matrix, {}, GptqFormat::kV1),
              FailsWith(ErrorCode::kInvalidArgument,
                        "zero point 0 of output 17, group 0: format gptq cannot store 0, write gptq_v2"));
  EXPECT_THAT(pack_gptq(matrix, {}, GptqFormat::kV2), IsOk());
  matrix.zero(17, 0) = 16;
  EXPECT_THAT(pack_gptq(matrix, {}, GptqFormat::kV2),
              FailsWith(ErrorCode::kInvalidArgument, "too many bits"));
}

TEST(GptqTensors, RefuseShapesThatDoNotFillWords) {
  EXPECT_THAT(pack_gptq(GroupQuantMatrix(4, 32, 33, 32), {}, GptqFormat::kV2),
              FailsWith(ErrorCode::kUnsupported, "33 inputs cannot be packed: with 4 bits a multiple of 8"));
  EXPECT_THAT(
      pack_gptq(GroupQuantMatrix(3, 16, 32, 32), {}, GptqFormat::kV2),
      FailsWith(ErrorCode::kUnsupported, "16 outputs cannot be packed: with 3 bits a multiple of 32"));
  EXPECT_THAT(pack_gptq(GroupQuantMatrix(4, 0, 32, 32), {}, GptqFormat::kV2),
              FailsWith(ErrorCode::kUnsupported, "0 outputs"));
}

TEST(GptqTensors, RefuseColumnOrdersThatAreNoPermutation) {
  const auto matrix = random_matrix(4, 32, 32, 32, 1);
  auto order = random_order(32);
  order[3] = order[4];
  EXPECT_THAT(pack_gptq(matrix, order, GptqFormat::kV1),
              FailsWith(ErrorCode::kInvalidArgument, "permutation"));
  order[3] = 32;
  EXPECT_THAT(pack_gptq(matrix, order, GptqFormat::kV1),
              FailsWith(ErrorCode::kInvalidArgument, "permutation"));
  order.pop_back();
  EXPECT_THAT(pack_gptq(matrix, order, GptqFormat::kV1),
              FailsWith(ErrorCode::kInvalidArgument, "permutation"));
}

TEST(GptqTensors, AcceptWiderScalesOnlyWhereFloat16HoldsThem) {
  const auto matrix = random_matrix(4, 32, 64, 32, 1);
  const auto packed = pack_gptq(matrix, {}, GptqFormat::kV1);
  ASSERT_THAT(packed, IsOk());
  std::vector<float> wide;
  for (const Float16 scale : packed->scales) wide.push_back(to_float(scale));
  auto tensors = tensors_of(*packed);
  tensors.scales.dtype = DType::kF32;
  tensors.scales.bytes = std::as_bytes(std::span(wide));
  const auto unpacked = unpack_gptq(tensors, 4, 32, GptqFormat::kV1);
  ASSERT_THAT(unpacked, IsOk());
  expect_same(unpacked->matrix, matrix);
  for (const float unfit : {1.0001f, 1e6f, 1e-9f, std::numeric_limits<float>::quiet_NaN()}) {
    wide[1] = unfit;
    EXPECT_THAT(unpack_gptq(tensors, 4, 32, GptqFormat::kV1),
                FailsWith(ErrorCode::kUnsupported, "tensor 'layer.scales': value"))
        << unfit;
  }
}

// Everything that a checkpoint can get wrong, one at a time.
class MalformedGptq : public testing::Test {
 protected:
  void SetUp() override {
    auto packed = pack_gptq(random_matrix(4, 32, 64, 32, 1), random_order(64), GptqFormat::kV1);
    ASSERT_THAT(packed, IsOk());
    packed_ = *std::move(packed);
    tensors_ = tensors_of(packed_);
    ASSERT_THAT(unpack(), IsOk());
  }
  Result<UnpackedGptq> unpack(int bits = 4, std::int64_t group_size = 32) const {
    return unpack_gptq(tensors_, bits, group_size, GptqFormat::kV1);
  }
  PackedGptq packed_;
  GptqTensors tensors_;
};

TEST_F(MalformedGptq, SettingsThatDoNotExist) {
  EXPECT_THAT(unpack(5), FailsWith(ErrorCode::kUnsupported, "5 bits"));
  EXPECT_THAT(unpack(4, 0), FailsWith(ErrorCode::kInvalidArgument, "group size is 0"));
  EXPECT_THAT(unpack(4, -2), FailsWith(ErrorCode::kInvalidArgument, "group size is -2"));
}

TEST_F(MalformedGptq, SettingsThatContradictTheShapes) {
  EXPECT_THAT(unpack(8),
              FailsWith(ErrorCode::kCorrupt, "tensor 'layer.g_idx': shape is [64], expected [32]"));
  EXPECT_THAT(unpack(3), FailsWith(ErrorCode::kCorrupt, "tensor 'layer.qweight': 8 words"));
  EXPECT_THAT(unpack(4, 64), FailsWith(ErrorCode::kCorrupt, "tensor 'layer.g_idx': input"));
  EXPECT_THAT(unpack(4, 16), FailsWith(ErrorCode::kUnsupported, "tensor 'layer.g_idx': group"));
  tensors_.g_idx.reset();
  EXPECT_THAT(unpack(4, 16),
              FailsWith(ErrorCode::kCorrupt, "tensor 'layer.scales': shape is [2, 32], expected [4, 32]"));
}

TEST_F(MalformedGptq, ShapesThatContradictTheBytes) {
  for (TensorView* tensor : {&tensors_.qweight, &tensors_.qzeros, &tensors_.scales, &*tensors_.g_idx}) {
    const TensorView kept = *tensor;
    tensor->bytes = tensor->bytes.first(tensor->bytes.size() - 1);
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, tensor->name));
    *tensor = kept;
    tensor->shape.push_back(1);
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, tensor->name));
    *tensor = kept;
    tensor->shape[0] = -tensor->shape[0];
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, tensor->name));
    *tensor = kept;
    tensor->shape = {std::int64_t{1} << 62, std::int64_t{1} << 62};
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, tensor->name));
    *tensor = kept;
    tensor->shape = {std::int64_t{1} << 62, 0};
    tensor->bytes = {};
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, tensor->name));
    *tensor = kept;
  }
}

TEST_F(MalformedGptq, DtypesThatAreNotMeant) {
  for (TensorView* tensor : {&tensors_.qweight, &tensors_.qzeros, &tensors_.scales, &*tensors_.g_idx}) {
    const DType kept = tensor->dtype;
    tensor->dtype = DType::kI64;
    EXPECT_THAT(unpack(), FailsWith(ErrorCode::kUnsupported, "dtype is I64"));
    tensor->dtype = kept;
  }
}

TEST_F(MalformedGptq, GroupsThatDoNotExistOrAreNotFull) {
  const std::int32_t kept = packed_.g_idx[5];
  packed_.g_idx[5] = 2;
  EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, "input 5 is in group 2 of 2"));
  packed_.g_idx[5] = -1;
  EXPECT_THAT(unpack(), FailsWith(ErrorCode::kCorrupt, "input 5 is in group -1"));
  packed_.g_idx[5] = 1 - kept;
  EXPECT_THAT(unpack(), FailsWith(ErrorCode::kUnsupported, "only groups of 32"));
}

}  // namespace
}  // namespace assay
