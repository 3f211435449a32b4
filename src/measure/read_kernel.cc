#include "measure/read_kernel.h"

#include <cstring>

namespace assay::measure {
namespace {

// Four sums, so that an addition need not wait for the one before; 32-byte vectors are two registers in the
// baseline.
using Vector = std::uint64_t __attribute__((vector_size(32)));
constexpr std::int64_t kWordsPerVector = sizeof(Vector) / sizeof(std::uint64_t);
constexpr int kNumAccumulators = 4;
constexpr std::int64_t kWordsPerStep = kWordsPerVector * kNumAccumulators;

// Compiled once per instruction set by being inlined into the functions below.
[[gnu::always_inline]] inline std::uint64_t sum_with_vectors(const std::uint64_t* words, std::int64_t count) {
  Vector sums[kNumAccumulators] = {};
  std::int64_t i = 0;
  for (; i + kWordsPerStep <= count; i += kWordsPerStep) {
#pragma GCC unroll 4
    for (int k = 0; k < kNumAccumulators; ++k) {
      Vector loaded;
      std::memcpy(&loaded, words + i + k * kWordsPerVector, sizeof loaded);
      sums[k] += loaded;
    }
  }
  std::uint64_t total = 0;
  for (const Vector& sum : sums) {
    for (std::int64_t lane = 0; lane < kWordsPerVector; ++lane) total += sum[lane];
  }
  for (; i < count; ++i) total += words[i];
  return total;
}

std::uint64_t sum_baseline(const std::uint64_t* words, std::int64_t count) {
  return sum_with_vectors(words, count);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] std::uint64_t sum_avx2(const std::uint64_t* words, std::int64_t count) {
  return sum_with_vectors(words, count);
}
constexpr ReadKernel kKernels[] = {{"baseline", sum_baseline}, {"avx2", sum_avx2}};
#else
constexpr ReadKernel kKernels[] = {{"baseline", sum_baseline}};
#endif

}  // namespace

std::span<const ReadKernel> runnable_read_kernels(const CpuFeatures& features) {
  const std::span<const ReadKernel> all(kKernels);
  return features.avx2 ? all : all.first(1);
}

}  // namespace assay::measure
