// What it costs that threads meet: calls of parallel_for that have nothing to do. A forward pass meets
// several times in each block, so for a small model this is a part of the time per token. Less than 2
// microseconds with 2 threads is wanted.
#include <benchmark/benchmark.h>

#include "base/thread_pool.h"

namespace assay {
namespace {

void meet(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const std::int64_t count = state.range(0);
  for (auto _ : state) pool.parallel_for(count, 1, [](WorkRange range) { benchmark::DoNotOptimize(range); });
}
BENCHMARK(meet)->Arg(1)->Arg(2)->UseRealTime()->Repetitions(20)->MinTime(0.05)->ReportAggregatesOnly();

}  // namespace
}  // namespace assay

BENCHMARK_MAIN();
