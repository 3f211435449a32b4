// Runs a language model over evaluation data.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "eval/cloze_data.h"
#include "eval/lambada.h"
#include "eval/perplexity.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

struct LambadaRun {
  eval::LambadaRecord record;
  std::vector<eval::ExampleScore> examples;  // in the order of the data: for paired comparisons
  double seconds = 0;
};

struct LambadaOptions {
  std::vector<int> top_k{1, 5, 10};
  std::int64_t limit = 0;             // the first so many examples; 0: all
  std::int64_t batch_tokens = 512;    // examples of like length are computed together up to so many tokens
};

// Batches never change a result: every row of the computation is independent of its batch.
// Errors: those of tokenization and evaluation, kInvalidArgument when the tokenizer does not fit the model, kInterrupted.
Result<LambadaRun> run_lambada(const LanguageModel& model, const Tokenizer& tokenizer, std::span<const eval::ClozeExample> data,
                               const LambadaOptions& options, const KernelContext& kernels, Progress& progress);

struct PerplexityRun {
  eval::PerplexityRecord record;
  std::int64_t context_length = 0;
  std::int64_t stride = 0;
  double seconds = 0;
};

struct PerplexityOptions {
  std::int64_t context_length = 0;  // 0: the model's, at most 2048
  std::int64_t stride = 0;          // 0: windows do not overlap
  std::int64_t limit_tokens = 0;    // the first so many tokens of the text; 0: all
};

Result<PerplexityRun> run_perplexity(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view text,
                                     const PerplexityOptions& options, const KernelContext& kernels, Progress& progress);

// The logits of every position of one sequence, (ids.size(), vocabulary): for comparing with other programs.
// Errors: kInvalidArgument for no ids, or ids outside of the vocabulary.
Result<Matrix<float>> run_logits(const LanguageModel& model, std::span<const std::int32_t> ids, const KernelContext& kernels);

}  // namespace assay
