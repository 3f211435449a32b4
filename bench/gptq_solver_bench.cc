// Times calibration sums and the solver on the shapes of SmolLM2-135M with random data: seconds for one block, and for the
// whole model of 30, by the clock and by the processor time that each thread got (what the clock would show on a machine
// without other load). Usage: gptq_solver_bench [threads].
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/rng.h"
#include "quant/llm/blas.h"
#include "quant/llm/gptq.h"
#include "quant/llm/hessian.h"
#include "quant/llm/rtn.h"

namespace assay {
namespace {

constexpr int kBlocks = 30;
constexpr std::int64_t kTokens = 32768;
constexpr std::int64_t kHidden = 576;
constexpr std::int64_t kIntermediate = 1536;

struct Seconds {
  double clock = 0;
  double processor = 0;  // of all threads together

  Seconds& operator+=(Seconds other) {
    clock += other.clock;
    processor += other.processor;
    return *this;
  }
};

Seconds now() {
  return {std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(),
          static_cast<double>(std::clock()) / CLOCKS_PER_SEC};
}

Seconds since(Seconds start) {
  const auto end = now();
  return {end.clock - start.clock, end.processor - start.processor};
}

Matrix<float> random_matrix(std::int64_t rows, std::int64_t cols, double deviation) {
  Rng rng(7);
  Matrix<float> m(rows, cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<float>(deviation * rng.normal());
  return m;
}

// One layer's input width with the number of outputs of the matrices that read it.
struct Input {
  std::int64_t dim;
  std::vector<std::int64_t> outputs;
};

const std::vector<Input>& block_inputs() {
  static const std::vector<Input> inputs = {
      {kHidden, {576, 192, 192}}, {kHidden, {576}}, {kHidden, {1536, 1536}}, {kIntermediate, {576}}};
  return inputs;
}

void report(const char* what, Seconds seconds, int threads) {
  std::printf("%-36s per block: %7.3f s clock, %7.3f s processor/%d; per model: %7.2f s, %7.2f s\n", what, seconds.clock,
              seconds.processor / threads, threads, kBlocks * seconds.clock, kBlocks * seconds.processor / threads);
}

Matrix<float> time_calibration(std::int64_t dim, ThreadPool& pool, Seconds& total) {
  constexpr std::int64_t kBatch = 4096;
  const auto x = random_matrix(kBatch, dim, 1.0);
  GramAccumulator gram(dim);
  const auto start = now();
  for (std::int64_t i = 0; i < kTokens; i += kBatch) gram.add(x.view(), pool);
  const auto seconds = since(start);
  std::printf("gram %4ld: %.1f GFLOP/s per thread's processor second\n", static_cast<long>(dim),
              static_cast<double>(kTokens * dim * (dim + 1)) / seconds.processor * 1e-9);
  total += seconds;
  return *gram.hessian();
}

struct Times {
  Seconds prepare, solve, error, rtn;
};

Times time_block(const GptqOptions& options, const std::vector<Matrix<float>>& hessians, ThreadPool& pool) {
  Times times;
  for (std::size_t i = 0; i < block_inputs().size(); ++i) {
    auto start = now();
    const auto factor = *prepare_hessian(hessians[i].view(), options);
    times.prepare += since(start);
    for (const auto out : block_inputs()[i].outputs) {
      const auto w = random_matrix(out, block_inputs()[i].dim, 0.02);
      start = now();
      const auto result = *quantize_gptq(w.view(), factor, options, pool);
      times.solve += since(start);
      start = now();
      const auto error = layer_error(w.view(), result.matrix, result.column_order, hessians[i].view(), pool);
      times.error += since(start);
      start = now();
      const auto rtn = *quantize_rtn(w.view(), options.group_size, options.grid, factor.diagonal, pool);
      times.rtn += since(start);
      if (error.output != result.error.output || rtn.rows() != out) std::abort();
    }
  }
  return times;
}

int run(int threads) {
  use_single_threaded_blas();
  std::printf("%s, %d threads\n", blas_description().c_str(), threads);
  ThreadPool pool(threads);
  std::vector<Matrix<float>> hessians;
  Seconds calibration;
  for (const auto& input : block_inputs()) hessians.push_back(time_calibration(input.dim, pool, calibration));
  report("calibration sums", calibration, threads);
  for (const auto search : {ScaleSearch::kMinMax, ScaleSearch::kWeighted, ScaleSearch::kMse}) {
    GptqOptions options;
    options.group_size = 64;
    options.grid.search = search;
    const auto times = time_block(options, hessians, pool);
    std::printf("search %d\n", static_cast<int>(search));
    report("  prepare_hessian", times.prepare, 1);
    report("  quantize_gptq, with its layer_error", times.solve, threads);
    report("  of which layer_error", times.error, threads);
    report("  quantize_rtn", times.rtn, threads);
  }
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) { return assay::run(argc > 1 ? std::atoi(argv[1]) : 2); }
