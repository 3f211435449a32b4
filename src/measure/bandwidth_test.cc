#include "measure/bandwidth.h"

#include <vector>

#include "base/rng.h"
#include "measure/read_kernel.h"
#include "support/testing.h"

namespace assay::measure {
namespace {

TEST(ReadKernel, SumsEveryWordForAllRemaindersAndAlignments) {
  constexpr std::uint64_t kSeed = 3;
  Rng rng(kSeed);
  std::vector<std::uint64_t> words(300);
  for (std::uint64_t& word : words) word = rng.next();
  for (const ReadKernel& kernel : runnable_read_kernels(detect_cpu_features())) {
    for (std::size_t skip = 0; skip < 5; ++skip) {
      std::uint64_t expected = 0;
      for (std::size_t count = 0; skip + count < words.size(); ++count) {
        ASSERT_EQ(kernel.sum_words(words.data() + skip, static_cast<std::int64_t>(count)), expected)
            << kernel.name << ", " << count << " words, seed " << kSeed;
        expected += words[skip + count];
      }
    }
  }
}

TEST(ReadKernel, OnlyNeedsWhatTheProcessorHas) {
  for (const ReadKernel& kernel : runnable_read_kernels(CpuFeatures{})) EXPECT_STREQ(kernel.name, "baseline");
}

TEST(MeasureReadBandwidth, ReportsWhatItReadAndHowOften) {
  ThreadPool pool(2);
  const auto record = measure_read_bandwidth(pool, {.array_bytes = 16 << 20, .max_seconds = 0});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->threads, 2);
  EXPECT_EQ(record->array_bytes, 16u << 20);
  EXPECT_EQ(record->repetitions, 3);
  EXPECT_EQ(record->kernel, select_read_kernel(detect_cpu_features()).name);
  EXPECT_GT(record->median_bytes_per_second, 0);
  EXPECT_GE(record->best_bytes_per_second, record->median_bytes_per_second);
}

TEST(MeasureReadBandwidth, RefusesArraysTooSmallOrTooLarge) {
  ThreadPool pool(2);
  EXPECT_THAT(measure_read_bandwidth(pool, {.array_bytes = 2 << 20, .max_seconds = 0}), IsOk());
  EXPECT_THAT(measure_read_bandwidth(pool, {.array_bytes = (2 << 20) - 8}),
              FailsWith(ErrorCode::kInvalidArgument, "array_bytes is 2097144"));
  EXPECT_THAT(measure_read_bandwidth(pool, {.array_bytes = 1ULL << 62}),
              FailsWith(ErrorCode::kResourceLimit, "4611686018427387904 bytes"));
}

}  // namespace
}  // namespace assay::measure
