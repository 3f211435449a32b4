#include "flow/bench_llm.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "base/rng.h"
#include "engine/forward.h"
#include "measure/bandwidth.h"
#include "measure/energy.h"
#include "measure/environment.h"
#include "measure/memory.h"
#include "measure/statistics.h"

namespace assay {
namespace {

// Random tokens cost what real ones do, and a fixed seed makes two runs read the same rows of the embedding.
constexpr std::uint64_t kTokenSeed = 1;
// Between two looks at whether the user has asked to stop.
constexpr std::int64_t kInterruptTokens = 16;

// One test at one number of threads, and its times as they come in.
struct Test {
  std::string name;
  std::int64_t tokens = 0;
  ThreadPool* pool = nullptr;
  bool is_generation = false;
  std::function<Status(OperationRecorder*)> run;  // without a recorder where it is timed
  std::vector<measure::TimingRecord> single_runs = {};
};

std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocabulary_size) {
  Rng rng(kTokenSeed);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (auto& token : tokens)
    token = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary_size)));
  return tokens;
}

Status process_prompt(const LanguageModel& model, const KernelContext& kernels,
                      std::span<const std::int32_t> tokens, OperationRecorder* recorder) {
  ASSAY_RETURN_IF_ERROR(check_interrupt());
  Forward forward(model, kernels, recorder);
  KvCache cache(model.config, kernels.activations);
  ASSAY_RETURN_IF_ERROR(forward.next_logits(tokens, cache));
  return {};
}

Status generate_tokens(const LanguageModel& model, const KernelContext& kernels,
                       std::span<const std::int32_t> tokens, OperationRecorder* recorder) {
  Forward forward(model, kernels, recorder);
  KvCache cache(model.config, kernels.activations);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i % kInterruptTokens == 0) ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_RETURN_IF_ERROR(forward.next_logits(tokens.subspan(i, 1), cache));
  }
  return {};
}

// One record of runs that were timed one by one. The share of others is the mean over the runs that were long
// enough to tell, weighted by their length.
measure::TimingRecord combine(std::span<const measure::TimingRecord> runs) {
  measure::TimingRecord all;
  double told_seconds = 0, other_seconds = 0;
  for (const auto& run : runs) {
    all.seconds.push_back(run.seconds[0]);
    if (!run.other_cpu_share) continue;
    told_seconds += run.seconds[0];
    other_seconds += run.seconds[0] * *run.other_cpu_share;
  }
  all.median_seconds = measure::median(all.seconds);
  all.mean_seconds = measure::mean(all.seconds);
  all.min_seconds = *std::min_element(all.seconds.begin(), all.seconds.end());
  all.stddev_seconds = measure::sample_stddev(all.seconds);
  const std::size_t half = all.seconds.size() / 2;
  if (all.seconds.size() >= 4) {
    const std::span<const double> seconds = all.seconds;
    all.drift = measure::median(seconds.last(half)) / measure::median(seconds.first(half)) - 1;
  }
  if (told_seconds > 0) all.other_cpu_share = other_seconds / told_seconds;
  all.noisy = all.other_cpu_share.value_or(0) > measure::kNoisyShare;
  return all;
}

LlmBenchRow make_row(const Test& test, const ModelSize& size, std::optional<double> bandwidth) {
  LlmBenchRow row;
  row.test = test.name;
  row.threads = test.pool->num_threads();
  row.timing = combine(test.single_runs);
  std::vector<double> speeds;
  for (const double seconds : row.timing.seconds)
    speeds.push_back(static_cast<double>(test.tokens) / seconds);
  row.tokens_per_second = measure::mean(speeds);
  row.median_tokens_per_second = measure::median(speeds);
  row.stddev = measure::sample_stddev(speeds);
  row.bandwidth_bytes_per_second = bandwidth;
  if (test.is_generation)
    row.weight_bytes_per_second = static_cast<double>(size.read_per_token_bytes) * row.tokens_per_second;
  return row;
}

Status check_options(const LanguageModel& model, const LlmBenchOptions& options) {
  for (const auto& [name, tokens] : {std::pair{"prompt_tokens", options.prompt_tokens},
                                     std::pair{"generated_tokens", options.generated_tokens}}) {
    if (tokens < 0 || tokens > model.config.max_positions) {
      return Error{ErrorCode::kInvalidArgument, std::string(name) + " is " + std::to_string(tokens) +
                                                    ", expected 0 to the model's context of " +
                                                    std::to_string(model.config.max_positions)};
    }
  }
  if (options.prompt_tokens == 0 && options.generated_tokens == 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "nothing to measure: prompt_tokens and generated_tokens are both 0"};
  }
  if (options.repetitions < 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "repetitions is " + std::to_string(options.repetitions) + ", expected at least 1"};
  }
  for (const int threads : options.threads) {
    if (threads < 1)
      return Error{ErrorCode::kInvalidArgument,
                   "threads is " + std::to_string(threads) + ", expected at least 1"};
  }
  return {};
}

// The tests in turn, again and again; the first round warms up and does not count.
Status run_rounds(std::vector<Test>& tests, int repetitions, Progress& progress) {
  const auto total = static_cast<std::int64_t>(tests.size()) * (repetitions + 1);
  std::int64_t done = 0;
  for (int round = 0; round <= repetitions; ++round) {
    for (auto& test : tests) {
      ASSAY_TRY(measure::TimingRecord run, measure::time_repetitions([&] { return test.run(nullptr); },
                                                                     {.warmup = 0, .repetitions = 1}));
      if (round > 0) test.single_runs.push_back(std::move(run));
      progress.update("measuring", ++done, total);
    }
  }
  return {};
}

Result<LlmProfile> profile_test(const Test& test, double timed_median_seconds) {
  OperationRecorder recorder;
  const std::uint64_t meetings_before = test.pool->meetings();
  const auto begin = std::chrono::steady_clock::now();
  ASSAY_RETURN_IF_ERROR(test.run(&recorder));
  const double seconds = seconds_since(begin);
  // Before the meetings that are only measured.
  const std::uint64_t meetings = test.pool->meetings() - meetings_before;
  return make_llm_profile(recorder, seconds, timed_median_seconds, test.tokens, meetings,
                          measure::measure_thread_meeting(*test.pool));
}

// A run of its own, so that reading the counters does not stand in the times.
Status measure_energy(const Test& generation, LlmBench& bench) {
  auto counter = measure::EnergyCounter::start();
  if (!counter) {
    bench.energy_note = counter.error().message;
    return {};
  }
  ASSAY_RETURN_IF_ERROR(generation.run(nullptr));
  const auto energy = counter->read();
  if (!energy) {
    bench.energy_note = energy.error().message;
    return {};
  }
  bench.joules_per_token =
      (energy->package_joules + energy->dram_joules.value_or(0)) / static_cast<double>(generation.tokens);
  bench.energy_note = "whole machine:";
  for (const auto& domain : energy->domains) bench.energy_note += " " + domain;
  return {};
}

}  // namespace

Result<measure::TimingRecord> time_llm(const LanguageModel& model, LlmTest test, std::int64_t tokens,
                                       int threads, Activations activations, const KernelTable& table) {
  if (tokens < 1 || tokens > model.config.max_positions || threads < 1) {
    return Error{ErrorCode::kInvalidArgument,
                 std::to_string(tokens) + " tokens on " + std::to_string(threads) +
                     " threads, expected 1 to the model's context of " +
                     std::to_string(model.config.max_positions) + " tokens and at least 1 thread"};
  }
  ThreadPool pool(threads);
  const KernelContext kernels{&table, &pool, activations};
  const auto ids = random_tokens(tokens, model.config.vocab_size);
  const auto run = [&](std::span<const std::int32_t> some) {
    return test == LlmTest::kPrompt ? process_prompt(model, kernels, some, nullptr)
                                    : generate_tokens(model, kernels, some, nullptr);
  };
  ASSAY_RETURN_IF_ERROR(
      run(std::span(ids).first(static_cast<std::size_t>(std::min(tokens, kWarmupTokens)))));
  return measure::time_repetitions([&] { return run(ids); }, {.warmup = 0, .repetitions = 1});
}

Result<LlmBench> bench_llm(const LanguageModel& model, const LlmBenchOptions& options,
                           const KernelTable& table, Progress& progress) {
  ASSAY_RETURN_IF_ERROR(check_options(model, options));
  std::vector<int> threads = options.threads;
  if (threads.empty()) threads = {measure::read_environment().usable_cpus};
  const auto prompt = random_tokens(options.prompt_tokens, model.config.vocab_size);
  const auto generated = random_tokens(options.generated_tokens, model.config.vocab_size);
  std::vector<std::unique_ptr<ThreadPool>> pools;
  std::vector<Test> tests;
  for (const int count : threads) {
    pools.push_back(std::make_unique<ThreadPool>(count));
    const KernelContext kernels{&table, pools.back().get(), options.activations};
    if (!prompt.empty()) {
      tests.push_back({"pp" + std::to_string(prompt.size()), options.prompt_tokens, pools.back().get(), false,
                       [&model, &prompt, kernels](OperationRecorder* recorder) {
                         return process_prompt(model, kernels, prompt, recorder);
                       }});
    }
    if (!generated.empty()) {
      tests.push_back({"tg" + std::to_string(generated.size()), options.generated_tokens, pools.back().get(),
                       true, [&model, &generated, kernels](OperationRecorder* recorder) {
                         return generate_tokens(model, kernels, generated, recorder);
                       }});
    }
  }
  LlmBench bench;
  bench.size = model_size(model);
  // Where the peak cannot be reset it is that since the start of the process, loading included: still an
  // upper bound.
  static_cast<void>(measure::reset_peak_memory());
  ASSAY_RETURN_IF_ERROR(run_rounds(tests, options.repetitions, progress));
  if (const auto memory = measure::read_memory_usage()) bench.peak_rss_bytes = memory->peak_resident_bytes;
  if (generated.empty()) {
    bench.energy_note = "generation was not measured";
  } else {
    ASSAY_RETURN_IF_ERROR(measure_energy(tests.back(), bench));
  }
  // After reading the peak, to which the array that it reads would add.
  std::vector<std::optional<double>> bandwidths;
  for (const auto& pool : pools) {
    const auto record = measure::measure_read_bandwidth(*pool);
    bandwidths.push_back(record ? std::optional(record->best_bytes_per_second) : std::nullopt);
  }
  const std::size_t tests_per_pool = tests.size() / pools.size();
  for (std::size_t i = 0; i < tests.size(); ++i) {
    bench.rows.push_back(make_row(tests[i], bench.size, bandwidths[i / tests_per_pool]));
    LlmBenchRow& row = bench.rows.back();
    if (options.operators) {
      ASSAY_TRY(row.profile, profile_test(tests[i], row.timing.median_seconds));
    }
  }
  return bench;
}

}  // namespace assay
