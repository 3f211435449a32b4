// Linear layers against what the machine can do: fused multiply-adds per second and bytes read per second,
// both measured here, so that the fractions hold on any machine. Weights of a product with one row rotate
// through copies larger than the caches, as the layers of a model do.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay {
namespace {

constexpr int kRepetitions = 8;  // the best counts
constexpr std::int64_t kColdBytes = std::int64_t{192} << 20;

struct Format {
  DType dtype;
  int bits;  // 0: dense
  std::string name() const {
    return bits == 0 ? std::string(info(dtype).name) : "group" + std::to_string(bits);
  }
};

struct Shape {
  std::int64_t rows;
  std::int64_t cols;
};

double seconds_of(const auto& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Of this thread alone, so that other processes on the machine do not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
double cpu_seconds_of(const auto& body) {
  const double begin = cpu_seconds();
  body();
  return cpu_seconds() - begin;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float run_fma(std::int64_t rounds) {
  __m512 sums[16];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.5f);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  __m512 total = sums[0];
  for (int i = 1; i < 16; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_reduce_add_ps(total);
}
#endif

// Of one thread, in flop/s; 0 where it is not known how to measure it. The best of many short runs.
double peak_flops() {
  static const double peak = [] {
    double best = 0;
#if defined(__x86_64__)
    if (!detect_cpu_features().avx512) return best;
    constexpr std::int64_t kRounds = 200000;
    for (int i = 0; i < 20; ++i) {
      const double seconds = cpu_seconds_of([&] { benchmark::DoNotOptimize(run_fma(kRounds)); });
      best = std::max(best, static_cast<double>(kRounds) * 16 * 32 / seconds);
    }
#endif
    return best;
  }();
  return peak;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) std::int64_t sum_words(const std::uint64_t* words, std::int64_t begin,
                                                          std::int64_t end) {
  __m512i sums[4] = {};
  for (std::int64_t i = begin; i + 32 <= end; i += 32) {
    for (int j = 0; j < 4; ++j) sums[j] = _mm512_add_epi64(sums[j], _mm512_loadu_si512(words + i + 8 * j));
  }
  return _mm512_reduce_add_epi64(sums[0]) + _mm512_reduce_add_epi64(sums[1]) +
         _mm512_reduce_add_epi64(sums[2]) + _mm512_reduce_add_epi64(sums[3]);
}
#else
std::int64_t sum_words(const std::uint64_t* words, std::int64_t begin, std::int64_t end) {
  std::uint64_t sum = 0;
  for (std::int64_t i = begin; i < end; ++i) sum += words[i];
  return static_cast<std::int64_t>(sum);
}
#endif

// Bytes per second that `threads` threads read from memory at best.
double peak_bandwidth(int threads) {
  static std::vector<double> peaks(65);
  double& peak = peaks.at(static_cast<std::size_t>(threads));
  if (peak > 0) return peak;
  const std::vector<std::uint64_t> words(kColdBytes / 8, 1);
  ThreadPool pool(threads);
  for (int i = 0; i < 7; ++i) {
    const auto read = [&] {
      pool.parallel_for(static_cast<std::int64_t>(words.size()), 512, [&](WorkRange range) {
        benchmark::DoNotOptimize(sum_words(words.data(), range.begin, range.end));
      });
    };
    const double seconds = threads == 1 ? cpu_seconds_of(read) : seconds_of(read);
    peak = std::max(peak, static_cast<double>(kColdBytes) / seconds);
  }
  return peak;
}

// `copies` matrices one after the other, random bytes with sensible scales.
struct Weights {
  Weights(const Format& format, const Shape& shape, std::int64_t copies) {
    Rng rng(1);
    for (std::int64_t i = 0; i < copies; ++i) {
      if (format.bits == 0) {
        const auto size = num_bytes(format.dtype, static_cast<std::uint64_t>(shape.rows * shape.cols));
        dense.emplace_back(size);
        // 0x2e of every byte keeps floats, halves and scales finite and small.
        if (i == 0)
          std::fill(dense[0].begin(), dense[0].end(), std::byte{0x2e});
        else
          std::copy(dense[0].begin(), dense[0].end(), dense.back().begin());
        views.push_back(dense_view(format.dtype, dense.back(), shape.rows, shape.cols));
      } else {
        groups.push_back(std::make_unique<GroupQuantMatrix>(format.bits, shape.rows, shape.cols, 64));
        if (i == 0)
          fill(*groups.back(), rng);
        else
          *groups.back() = *groups.front();
        views.push_back(groups.back()->view());
      }
    }
  }
  static void fill(GroupQuantMatrix& matrix, Rng& rng) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols()));
    for (auto& code : codes) code = static_cast<std::uint8_t>(rng.below(std::uint64_t{1} << matrix.bits()));
    for (std::int64_t r = 0; r < matrix.rows(); ++r) {
      matrix.set_row(r, codes);
      for (std::int64_t g = 0; g < matrix.num_groups(); ++g) {
        matrix.scale(r, g) = to_float16(0.01f);
        matrix.zero(r, g) = static_cast<std::uint8_t>(1 << (matrix.bits() - 1));
      }
    }
  }
  std::vector<std::vector<std::byte>> dense;
  std::vector<std::unique_ptr<GroupQuantMatrix>> groups;
  std::vector<WeightView> views;
};

void run_linear(benchmark::State& state, const Format& format, const Shape& shape, std::int64_t tokens,
                Activations activations, int threads) {
  const std::int64_t matrix_bytes =
      shape.rows * shape.cols *
      (format.bits ? format.bits : 8 * info(format.dtype).block_bytes / info(format.dtype).block_values) / 8;
  const Weights weights(format, shape,
                        tokens == 1 ? std::max<std::int64_t>(1, kColdBytes / matrix_bytes) : 1);
  std::vector<float> x(static_cast<std::size_t>(tokens * shape.cols), 0.5f);
  std::vector<float> y(static_cast<std::size_t>(tokens * shape.rows));
  ThreadPool pool(threads);
  const KernelContext context{&select_kernels(detect_cpu_features()), &pool, activations};
  std::size_t next = 0;
  // The best of one call: other processes only ever add time. One thread is measured by the time that it ran.
  double best = 1e30;
  for (auto _ : state) {
    // One pass over all copies where they are cold.
    const std::size_t calls = tokens == 1 ? weights.views.size() : 1;
    const auto run = [&] {
      for (std::size_t i = 0; i < calls; ++i) {
        linear(context, weights.views[next], {x.data(), tokens, shape.cols}, {},
               {y.data(), tokens, shape.rows});
        next = (next + 1) % weights.views.size();
      }
    };
    const double seconds =
        (threads == 1 ? cpu_seconds_of(run) : seconds_of(run)) / static_cast<double>(calls);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  const double bandwidth = static_cast<double>(weights.views[0].weight_bytes()) / best;
  const double flops = 2.0 * static_cast<double>(tokens * shape.rows * shape.cols) / best;
  if (tokens == 1) {
    state.counters["GB/s"] = bandwidth * 1e-9;
    state.counters["of_bandwidth"] = bandwidth / peak_bandwidth(threads);
  }
  state.counters["GFLOP/s"] = flops * 1e-9;
  if (peak_flops() > 0) state.counters["of_peak"] = flops / (peak_flops() * threads);
}

void register_all() {
  const std::vector<Format> formats = {
      {DType::kF32, 0},  {DType::kF16, 0},  {DType::kBF16, 0}, {DType::kQ4_0, 0}, {DType::kQ4_1, 0},
      {DType::kQ5_0, 0}, {DType::kQ5_1, 0}, {DType::kQ8_0, 0}, {DType::kQ2_K, 0}, {DType::kQ3_K, 0},
      {DType::kQ4_K, 0}, {DType::kQ5_K, 0}, {DType::kQ6_K, 0}, {DType::kF32, 8},  {DType::kF32, 4},
      {DType::kF32, 3},  {DType::kF32, 2}};
  const std::vector<Shape> shapes = {{576, 576}, {1536, 576}, {576, 1536}, {49152, 576}, {2048, 8192}};
  for (const auto& format : formats) {
    for (const auto& shape : shapes) {
      const std::int64_t block = format.bits ? 1 : info(format.dtype).block_values;
      if (shape.cols % block != 0) continue;
      for (const int threads : {1, 2}) {
        for (const auto& [tokens, activations, mode] :
             {std::tuple{std::int64_t{1}, Activations::kFloat, "float"},
              std::tuple{std::int64_t{1}, Activations::kRounded, "rounded"},
              std::tuple{std::int64_t{512}, Activations::kFloat, "float"},
              std::tuple{std::int64_t{512}, Activations::kRounded, "rounded"}}) {
          const std::string name = "linear/" + format.name() + "/" + std::to_string(shape.rows) + "x" +
                                   std::to_string(shape.cols) + "/T" + std::to_string(tokens) + "/" + mode +
                                   "/threads" + std::to_string(threads);
          benchmark::RegisterBenchmark(
              name.c_str(),
              [=, tokens = tokens, activations = activations](benchmark::State& state) {
                run_linear(state, format, shape, tokens, activations, threads);
              })
              ->UseManualTime()
              ->Unit(benchmark::kMillisecond)
              ->Iterations(kRepetitions);
        }
      }
    }
  }
  benchmark::RegisterBenchmark("machine",
                               [](benchmark::State& state) {
                                 for (auto _ : state) state.SetIterationTime(1e-3);
                                 state.counters["GFLOP/s"] = peak_flops() * 1e-9;
                                 state.counters["GB/s_1"] = peak_bandwidth(1) * 1e-9;
                                 state.counters["GB/s_2"] = peak_bandwidth(2) * 1e-9;
                               })
      ->UseManualTime()
      ->Iterations(1);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
