// Runs a language model beside the one that it was made from: how far are its predictions from that one's?
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "eval/divergence.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

struct DivergenceRun {
  eval::DivergenceRecord record;
  std::vector<std::vector<eval::PositionDivergence>>
      texts;  // in the order of the sequences: for paired comparisons
  double seconds = 0;
};

// Both models read every sequence on its own, before it what the tokenizer puts before a text, unless it
// begins with that already. Compared are the predictions of all its tokens but the very first that is read,
// for which there are none. Batches never change a result. Errors: kInvalidArgument for models of different
// vocabularies, a tokenizer of another model, no sequences or one with nothing to compare, a sequence longer
// than a context; kCorrupt for logits that are not finite; kInterrupted.
Result<DivergenceRun> run_divergence(const LanguageModel& reference, const LanguageModel& model,
                                     const Tokenizer& tokenizer,
                                     std::span<const std::vector<std::int32_t>> sequences,
                                     const KernelContext& kernels, Progress& progress);

// Compares row i of the logits, both (rows, vocabulary), at targets[i], all rows in parallel. Errors: those
// of eval::compare_position.
Result<std::vector<eval::PositionDivergence>> compare_rows(MatrixView<const float> reference,
                                                           MatrixView<const float> logits,
                                                           std::span<const std::int32_t> targets,
                                                           ThreadPool& pool);

}  // namespace assay
