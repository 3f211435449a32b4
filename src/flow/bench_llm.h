// How fast a language model runs on this machine.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "flow/llm_profile.h"
#include "kernels/kernels.h"
#include "measure/throughput.h"

namespace assay {

struct LlmBenchOptions {
  std::int64_t prompt_tokens = 512;     // 0: leave prompt processing out
  std::int64_t generated_tokens = 128;  // 0: leave generation out
  std::vector<int> threads;             // empty: all of the machine
  int repetitions = 5;
  Activations activations = Activations::kFloat;
  bool operators = false;  // after the timed runs, profile each test in a run of its own
};

// One test at one number of threads, as llama-bench defines it: pp: one prompt of random tokens; tg: tokens
// generated one by one after an empty context.
struct LlmBenchRow {
  std::string test;  // "pp512", "tg128"
  int threads = 0;
  double tokens_per_second = 0;  // mean over the repetitions
  double median_tokens_per_second = 0;
  std::optional<double> stddev;  // of tokens/s
  measure::TimingRecord timing;
  double weight_bytes_per_second =
      0;  // bytes of weights read per token times tokens/s; generation only, else 0
  std::optional<double> bandwidth_bytes_per_second;  // measured read bandwidth at this number of threads
  std::optional<LlmProfile> profile;                 // where it was asked for
};

struct LlmBench {
  ModelSize size;
  std::vector<LlmBenchRow> rows;
  std::uint64_t peak_rss_bytes = 0;  // 0: not available
  std::optional<double>
      joules_per_token;     // generation, at the last number of threads; nothing: see energy_note
  std::string energy_note;  // where the energy comes from, or why it is not available
};

enum class LlmTest { kPrompt, kGenerate };

// Before a timed run of time_llm, or so many as it has.
inline constexpr std::int64_t kWarmupTokens = 8;

// One timed run of one test, after a short one that warms up: for those who interleave several models.
// tokens >= 1 and within the model's context, threads >= 1. Errors: kInvalidArgument, kInterrupted.
Result<measure::TimingRecord> time_llm(const LanguageModel& model, LlmTest test, std::int64_t tokens,
                                       int threads, Activations activations, const KernelTable& table);

// Repetitions of the tests are interleaved, so that a drift of the machine's speed favours none.
Result<LlmBench> bench_llm(const LanguageModel& model, const LlmBenchOptions& options,
                           const KernelTable& table, Progress& progress);

}  // namespace assay
