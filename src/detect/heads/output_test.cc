#include "detect/heads/output.h"

#include "support/testing.h"

namespace assay::detect {
namespace {

TEST(Output, WidensQuantizedBytes) {
  const std::string stored("\x80\x00\x7f", 3);
  const auto output = read_output({"o", {1, 3}}, DType::kI8, {0.5f, -128}, as_bytes(stored));
  ASSERT_THAT(output, IsOk());
  EXPECT_THAT(output->values, testing::ElementsAre(0.0f, 64.0f, 127.5f));
}

TEST(Output, TakesIntegersWithoutScaleAsTheyAre) {
  const std::string stored("\x07\x00\x00\x00\x00\x00\x00\x00", 8);
  const auto output = read_output({"o", {1}}, DType::kI64, {}, as_bytes(stored));
  ASSERT_THAT(output, IsOk());
  EXPECT_THAT(output->values, testing::ElementsAre(7.0f));
}

TEST(Output, ReadsHalfPrecision) {
  const std::string stored("\x00\x3c", 2);
  EXPECT_THAT(read_output({"o", {1}}, DType::kF16, {}, as_bytes(stored))->values, testing::ElementsAre(1.0f));
}

TEST(Output, NamesTheTensorWhoseBytesDoNotFit) {
  EXPECT_THAT(read_output({"boxes", {1, 2}}, DType::kF32, {}, as_bytes("1234567")),
              FailsWith(ErrorCode::kCorrupt, "output 'boxes': 7 bytes, expected 8"));
  EXPECT_THAT(read_output({"boxes", {1}}, DType::kBool, {}, as_bytes("1")),
              FailsWith(ErrorCode::kUnsupported, "BOOL"));
}

}  // namespace
}  // namespace assay::detect
