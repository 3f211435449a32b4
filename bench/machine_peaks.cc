#include "machine_peaks.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "base/cpu_features.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay {
namespace {

constexpr int kSums = 12;  // enough for two operations of a latency of 5 in each cycle, in 16 registers

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float run_fma_avx512(std::int64_t rounds) {
  __m512 sums[kSums];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.5f);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  __m512 total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_reduce_add_ps(total);
}

__attribute__((target("avx2,fma"))) float run_fma_avx2(std::int64_t rounds) {
  __m256 sums[kSums];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.5f);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  }
  __m256 total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm256_add_ps(total, sums[i]);
  return _mm256_cvtss_f32(total);
}

__attribute__((target("avx512f,avx512vnni"))) int run_bytes_vnni(std::int64_t rounds) {
  __m512i sums[kSums] = {};
  __m512i codes = _mm512_set1_epi8(3), x = _mm512_set1_epi8(-5);
  benchmark::DoNotOptimize(codes);
  benchmark::DoNotOptimize(x);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, codes, x);
  }
  __m512i total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_epi32(total, sums[i]);
  return _mm512_reduce_add_epi32(total);
}

__attribute__((target("avx2"))) int run_bytes_avx2(std::int64_t rounds) {
  __m256i sums[kSums] = {};
  __m256i codes = _mm256_set1_epi8(3), x = _mm256_set1_epi8(-5);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      asm volatile("" : "+x"(codes), "+x"(x));  // a new product each time
      sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x));
    }
  }
  __m256i total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm256_add_epi16(total, sums[i]);
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(total));
}

__attribute__((target("avx2"))) std::int64_t sum_words(const std::uint64_t* words, std::int64_t begin,
                                                       std::int64_t end) {
  __m256i sums[4] = {};
  for (std::int64_t i = begin; i + 16 <= end; i += 16) {
    for (int j = 0; j < 4; ++j) {
      const __m256i loaded = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + i + 4 * j));
      sums[j] = _mm256_add_epi64(sums[j], loaded);
    }
  }
  const __m256i total = _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  return _mm_cvtsi128_si64(_mm256_castsi256_si128(total));
}
#else
std::int64_t sum_words(const std::uint64_t* words, std::int64_t begin, std::int64_t end) {
  std::uint64_t sum = 0;
  for (std::int64_t i = begin; i < end; ++i) sum += words[i];
  return static_cast<std::int64_t>(sum);
}
#endif

// Rounds of kSums instructions per second.
double rate_of(const auto& run) {
  constexpr std::int64_t kRounds = 50000;
  const double begin = cpu_seconds();
  benchmark::DoNotOptimize(run(kRounds));
  return static_cast<double>(kRounds) / (cpu_seconds() - begin);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::int64_t cold_bytes() {
  return std::max<std::int64_t>(std::int64_t{192} << 20, 2 * sysconf(_SC_LEVEL3_CACHE_SIZE));
}

double float_macs_now() {
#if defined(__x86_64__)
  const CpuFeatures features = detect_cpu_features();
  if (features.avx512) return rate_of(run_fma_avx512) * kSums * 16;
  if (features.avx2) return rate_of(run_fma_avx2) * kSums * 8;
#endif
  return 0.0;
}

double byte_macs_now() {
#if defined(__x86_64__)
  const CpuFeatures features = detect_cpu_features();
  if (features.avx512_vnni) return rate_of(run_bytes_vnni) * kSums * 64;
  if (features.avx2) return rate_of(run_bytes_avx2) * kSums * 32;
#endif
  return 0.0;
}

double peak_bandwidth(int threads) {
  static std::vector<double> peaks(65);
  double& peak = peaks.at(static_cast<std::size_t>(threads));
  if (peak > 0) return peak;
  const std::vector<std::uint64_t> words(static_cast<std::size_t>(cold_bytes()) / 8, 1);
  ThreadPool pool(threads);
  for (int i = 0; i < 7; ++i) {
    const double cpu = cpu_seconds(), wall = wall_seconds();
    pool.parallel_for(static_cast<std::int64_t>(words.size()), 512, [&](WorkRange range) {
      benchmark::DoNotOptimize(sum_words(words.data(), range.begin, range.end));
    });
    const double seconds = threads == 1 ? cpu_seconds() - cpu : wall_seconds() - wall;
    peak = std::max(peak, static_cast<double>(words.size() * 8) / seconds);
  }
  return peak;
}

}  // namespace assay
