#include "measure/memory.h"

#include <vector>

#include "support/testing.h"

namespace assay::measure {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST(ParseProcessStatus, ReadsKibibytes) {
  const auto usage =
      parse_process_status("Name:\tassay\nVmPeak:\t 9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n");
  ASSERT_THAT(usage, IsOk());
  EXPECT_EQ(usage->peak_resident_bytes, 2 * kMiB);
  EXPECT_EQ(usage->resident_bytes, kMiB);
}

TEST(ParseProcessStatus, SaysWhichFieldIsMissing) {
  const auto unsupported = [](const char* word) { return FailsWith(ErrorCode::kUnsupported, word); };
  EXPECT_THAT(parse_process_status(""), unsupported("VmRSS"));
  EXPECT_THAT(parse_process_status("VmRSS:\t1 kB\n"), unsupported("VmHWM"));
  EXPECT_THAT(parse_process_status("VmRSS:\t1 MB\nVmHWM:\t1 kB\n"), unsupported("VmRSS"));
  EXPECT_THAT(parse_process_status("VmRSS:\tx kB\nVmHWM:\t1 kB\n"), unsupported("VmRSS"));
}

// Sanitizers keep freed memory and shadows, so this looks at growth of the peak only.
TEST(ReadMemoryUsage, SeesTheMemoryThatIsTouched) {
  const auto before = read_memory_usage();
  if (!before) GTEST_SKIP() << before.error().message;
  const std::vector<char> touched(64 * kMiB, 1);
  const auto after = read_memory_usage();
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(touched.back(), 1);
  EXPECT_GE(after->resident_bytes, before->resident_bytes + 60 * kMiB);
  EXPECT_GE(after->peak_resident_bytes, after->resident_bytes);
}

TEST(ResetPeakMemory, ForgetsWhatWasHeldBefore) {
  { const std::vector<char> touched(64 * kMiB, 1); }
  if (const Status reset = reset_peak_memory(); !reset) GTEST_SKIP() << reset.error().message;
  const auto after = read_memory_usage();
  ASSERT_THAT(after, IsOk());
  // The kernel counts resident pages per processor and settles late: a slack of 4 MiB.
  EXPECT_LE(after->peak_resident_bytes, after->resident_bytes + 4 * kMiB);
}

}  // namespace
}  // namespace assay::measure
