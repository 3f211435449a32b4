#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "support/testing.h"
#include "tensor/dtype.h"
#include "tensor/float16.h"
#include "tensor/group_quant.h"

namespace assay {
namespace {

TEST(Float16, EveryPatternSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const Float16 half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_float16(value))));
    } else {
      ASSERT_EQ(to_float16(value).bits, bits);
    }
  }
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(to_float16(1.0f + 0x1.0p-11f).bits, 0x3c00);              // a tie goes to the even neighbour below
  EXPECT_EQ(to_float16(1.0f + 3 * 0x1.0p-11f).bits, 0x3c02);          // and above
  EXPECT_EQ(to_float16(65519.996f).bits, 0x7bff);
  EXPECT_EQ(to_float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_float16(-0x1.0p-25f).bits, 0x8000);                    // half of the smallest subnormal ties to zero
  EXPECT_EQ(to_float16(0x1.8p-25f).bits, 0x0001);
}

TEST(BFloat16, EveryPatternSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const BFloat16 brain{static_cast<std::uint16_t>(bits)};
    const float value = to_float(brain);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(value))));
    } else {
      ASSERT_EQ(to_bfloat16(value).bits, bits);
    }
  }
}

TEST(DType, NamesLeadBackToTheType) {
  for (const char* name : {"F32", "BF16", "Q4_1", "Q6_K", "BOOL", "U16", "F8_E5M2"}) EXPECT_EQ(info(*dtype_from_name(name)).name, name);
  EXPECT_FALSE(dtype_from_name("F4").has_value());
}

TEST(PackedCodes, UnpackToWhatWasPackedForEveryWidthAndLength) {
  Rng rng(1);
  for (int bits : {2, 3, 4, 8}) {
    for (std::int64_t cols : {1, 31, 63, 64, 65, 128, 200}) {
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
      for (auto& code : codes) code = static_cast<std::uint8_t>(rng.below(1u << bits));
      std::vector<std::uint8_t> packed(static_cast<std::size_t>(packed_row_bytes(bits, cols)));
      pack_codes(bits, codes, packed);
      std::vector<std::uint8_t> back(codes.size());
      unpack_codes(bits, packed, back);
      EXPECT_EQ(back, codes) << bits << " bits, " << cols << " columns";
    }
  }
}

TEST(PackedCodes, HaveTheDocumentedByteLayout) {
  std::vector<std::uint8_t> codes(64, 0);
  std::vector<std::uint8_t> packed(32);
  codes[1] = 5;
  codes[33] = 9;
  pack_codes(4, codes, packed);
  EXPECT_EQ(packed[1], 0x95);
  std::vector<std::uint8_t> three(24);
  codes.assign(64, 0);
  codes[17] = 6;  // low bits 2 in plane 1 of byte 1, high bit at bit 17
  pack_codes(3, codes, three);
  EXPECT_EQ(three[1], 2 << 2);
  EXPECT_EQ(three[16 + 2], 2);
}

TEST(GroupQuantMatrix, CountsTheBytesThatOnePassReads) {
  const GroupQuantMatrix matrix(4, 10, 128, 32);
  EXPECT_EQ(matrix.view().weight_bytes(), 10u * 64u + 10u * 4u * 3u);
}

}  // namespace
}  // namespace assay
