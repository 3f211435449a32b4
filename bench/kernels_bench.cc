// Linear layers against what the machine can do: operations per second and bytes read per second, both
// measured here, so that the fractions hold on any machine. Weights of a product with one row rotate through
// copies larger than the caches, as the layers of a model do. Where weights can be repacked, "rounded" means
// the repacked ones.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/huge_bytes.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "machine_peaks.h"
#include "tensor/packed_matrix.h"

namespace assay {
namespace {

constexpr int kRepetitions = 20;

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

// A matrix of random codes, or of bytes that are finite and small as floats, halves and scales, and copies of
// it.
class Weights {
 public:
  Weights(const Format& format, const Shape& shape) : format_(format), shape_(shape) {
    if (format.bits == 0) {
      dense_.emplace_back(num_bytes(format.dtype, static_cast<std::uint64_t>(shape.rows * shape.cols)),
                          std::byte{0x2e});
    } else {
      groups_.push_back(std::make_unique<GroupQuantMatrix>(format.bits, shape.rows, shape.cols, 64));
      fill(*groups_.back());
    }
    add_view();
  }
  // Until all of them are larger than the caches; repacked where that is possible.
  void copy_until_cold(bool packed) {
    while (weight_bytes() * static_cast<std::int64_t>(views_.size()) < cold_bytes()) copy(packed);
  }
  void pack() {
    ThreadPool pool(static_cast<int>(std::thread::hardware_concurrency()));
    packed_.push_back(std::make_unique<PackedMatrix>(PackedMatrix::lay_out(views_[0])));
    const std::uint64_t num_bytes = packed_.back()->num_bytes();
    memory_.push_back(std::move(*HugeBytes::allocate(num_bytes)));
    packed_.back()->fill(views_[0], {memory_.back().data(), num_bytes}, pool);
    if (views_[0].packed != nullptr) views_.push_back(views_[0]);
    views_.back().packed = packed_.back().get();
  }
  bool is_packable() const { return PackedMatrix::is_packable(views_[0]); }
  const std::vector<WeightView>& views() const { return views_; }
  // Of one copy, as it is read.
  std::int64_t weight_bytes() const {
    const PackedMatrix* packed = views_[0].packed;
    return static_cast<std::int64_t>(packed != nullptr ? packed->num_bytes() : views_[0].weight_bytes());
  }

 private:
  void add_view() {
    views_.push_back(format_.bits == 0 ? dense_view(format_.dtype, dense_.back(), shape_.rows, shape_.cols)
                                       : groups_.back()->view());
  }
  void copy(bool packed) {
    if (packed) return pack();
    if (format_.bits == 0) {
      dense_.push_back(dense_.front());
    } else {
      groups_.push_back(std::make_unique<GroupQuantMatrix>(*groups_.front()));
    }
    add_view();
  }
  static void fill(GroupQuantMatrix& matrix) {
    Rng rng(1);
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

  Format format_;
  Shape shape_;
  std::vector<std::vector<std::byte>> dense_;
  std::vector<std::unique_ptr<GroupQuantMatrix>> groups_;
  std::vector<std::unique_ptr<PackedMatrix>> packed_;
  std::vector<HugeBytes> memory_;  // of packed_
  std::vector<WeightView> views_;
};

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Case {
  Format format;
  Shape shape;
  std::int64_t tokens;
  Activations activations;
  int threads;

  std::string name() const {
    return "linear/" + format.name() + "/" + std::to_string(shape.rows) + "x" + std::to_string(shape.cols) +
           "/T" + std::to_string(tokens) + (activations == Activations::kRounded ? "/rounded" : "/float") +
           "/threads" + std::to_string(threads);
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Of the calls: seconds of the best one, since other processes only ever add time; and the share of what the
// processor does in registers, measured before and after each call, the median of all. One thread is measured
// by the time that it ran.
struct Timing {
  double seconds = 1e30;
  double of_peak = 0;
};
Timing time_calls(benchmark::State& state, const Case& c, const std::vector<WeightView>& views,
                  double (*peak_now)()) {
  const std::vector<float> x(static_cast<std::size_t>(c.tokens * c.shape.cols), 0.5f);
  std::vector<float> y(static_cast<std::size_t>(c.tokens * c.shape.rows));
  ThreadPool pool(c.threads);
  const KernelContext context{&select_kernels(detect_cpu_features()), &pool, c.activations};
  const double macs = static_cast<double>(c.tokens * c.shape.rows * c.shape.cols);
  const auto now = c.threads == 1 ? cpu_seconds : wall_seconds;
  Timing timing;
  std::vector<double> shares;
  for (auto _ : state) {
    const double peak_before = peak_now();
    const double begin = now();
    for (const WeightView& view : views)
      linear(context, view, {x.data(), c.tokens, c.shape.cols}, {}, {y.data(), c.tokens, c.shape.rows});
    const double seconds = (now() - begin) / static_cast<double>(views.size());
    const double peak = (peak_before + peak_now()) / 2;
    state.SetIterationTime(seconds);
    timing.seconds = std::min(timing.seconds, seconds);
    shares.push_back(peak > 0 ? macs / seconds / (peak * c.threads) : 0);
  }
  timing.of_peak = median(shares);
  return timing;
}

void run_linear(benchmark::State& state, const Case& c) {
  Weights weights(c.format, c.shape);
  const bool packed = c.activations == Activations::kRounded && weights.is_packable();
  if (packed) weights.pack();
  if (c.tokens == 1) weights.copy_until_cold(packed);
  const Timing timing = time_calls(state, c, weights.views(), packed ? byte_macs_now : float_macs_now);
  if (c.tokens == 1) {
    const double bandwidth = static_cast<double>(weights.weight_bytes()) / timing.seconds;
    state.counters["GB/s"] = bandwidth * 1e-9;
    state.counters["of_bandwidth"] = bandwidth / peak_bandwidth(c.threads);
  }
  state.counters["GMAC/s"] =
      static_cast<double>(c.tokens * c.shape.rows * c.shape.cols) / timing.seconds * 1e-9;
  state.counters["of_peak"] = timing.of_peak;
}

void register_case(const Case& c) {
  benchmark::RegisterBenchmark(c.name().c_str(), [c](benchmark::State& state) { run_linear(state, c); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(kRepetitions);
}

void report_machine(benchmark::State& state) {
  double floats = 0, bytes = 0;
  for (auto _ : state) {
    floats = std::max(floats, float_macs_now());
    bytes = std::max(bytes, byte_macs_now());
    state.SetIterationTime(1e-3);
  }
  state.counters["float_GMAC/s"] = floats * 1e-9;
  state.counters["byte_GMAC/s"] = bytes * 1e-9;
  state.counters["GB/s_1"] = peak_bandwidth(1) * 1e-9;
  state.counters["GB/s_2"] = peak_bandwidth(2) * 1e-9;
}

void register_all() {
  benchmark::RegisterBenchmark("machine", report_machine)->UseManualTime()->Iterations(50);
  const std::vector<Format> formats = {
      {DType::kF32, 0},  {DType::kF16, 0},  {DType::kBF16, 0}, {DType::kQ4_0, 0}, {DType::kQ4_1, 0},
      {DType::kQ5_0, 0}, {DType::kQ5_1, 0}, {DType::kQ8_0, 0}, {DType::kQ2_K, 0}, {DType::kQ3_K, 0},
      {DType::kQ4_K, 0}, {DType::kQ5_K, 0}, {DType::kQ6_K, 0}, {DType::kF32, 8},  {DType::kF32, 4},
      {DType::kF32, 3},  {DType::kF32, 2}};
  const std::vector<Shape> shapes = {{576, 576},   {1536, 576},  {576, 1536}, {49152, 576},
                                     {2048, 2048}, {8192, 2048}, {2048, 8192}};
  for (const auto& format : formats) {
    for (const auto& shape : shapes) {
      const std::int64_t block = format.bits ? 1 : info(format.dtype).block_values;
      if (shape.cols % block != 0) continue;
      for (const int threads : {1, 2}) {
        for (const std::int64_t tokens : {1, 512}) {
          for (const Activations activations : {Activations::kFloat, Activations::kRounded})
            register_case({format, shape, tokens, activations, threads});
        }
      }
    }
  }
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
