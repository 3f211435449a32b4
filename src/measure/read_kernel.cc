#include "measure/read_kernel.h"

namespace assay::measure {
namespace {

// Two registers in the baseline, one with AVX2. The attributes say that it lies anywhere and aliases
// anything.
using Vector = std::uint64_t __attribute__((vector_size(32), aligned(8), may_alias));
constexpr std::int64_t kWordsPerVector = sizeof(Vector) / sizeof(std::uint64_t);

// Compiled once per instruction set by being inlined into the functions below. Four sums, so that an addition
// need not wait for the one before.
[[gnu::always_inline]] inline std::uint64_t sum_with_vectors(const std::uint64_t* words, std::int64_t count) {
  Vector sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {};
  std::int64_t i = 0;
  for (; i + 4 * kWordsPerVector <= count; i += 4 * kWordsPerVector) {
    const auto* vectors = reinterpret_cast<const Vector*>(words + i);
    sum0 += vectors[0];
    sum1 += vectors[1];
    sum2 += vectors[2];
    sum3 += vectors[3];
  }
  const Vector sum = (sum0 + sum1) + (sum2 + sum3);
  std::uint64_t total = 0;
  for (std::int64_t lane = 0; lane < kWordsPerVector; ++lane) total += sum[lane];
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
