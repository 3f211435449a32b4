#include "flow/evaluate_divergence.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "engine/forward.h"
#include "flow/sequence_chunks.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBatchTokens = 1024;  // computed at once
constexpr std::int64_t kLogitRows = 256;     // rows of logits in memory at once, of either model

Status check_vocabularies(const LanguageModel& reference, const LanguageModel& model,
                          const Tokenizer& tokenizer) {
  if (reference.config.vocab_size != model.config.vocab_size) {
    return Error{ErrorCode::kInvalidArgument,
                 "the reference has a vocabulary of " + std::to_string(reference.config.vocab_size) +
                     " tokens, the model of " + std::to_string(model.config.vocab_size) +
                     "; was the model made from this reference?"};
  }
  if (tokenizer.vocabulary_size() > model.config.vocab_size) {
    return Error{ErrorCode::kInvalidArgument,
                 "the tokenizer has " + std::to_string(tokenizer.vocabulary_size()) +
                     " tokens, the model's vocabulary only " + std::to_string(model.config.vocab_size) +
                     ": this is not the model's tokenizer"};
  }
  return {};
}

Result<std::vector<std::vector<std::int32_t>>> with_prefix(
    std::span<const std::vector<std::int32_t>> sequences, const Tokenizer& tokenizer) {
  ASSAY_TRY(const auto prefix, tokenizer.encode("", true));
  std::vector<std::vector<std::int32_t>> texts;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    auto& text = texts.emplace_back(sequences[s]);
    const bool begins_with_it =
        text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin());
    if (!begins_with_it) text.insert(text.begin(), prefix.begin(), prefix.end());
    if (text.size() < 2)
      return Error{ErrorCode::kInvalidArgument,
                   "sequence " + std::to_string(s + 1) + " has no token to predict"};
  }
  if (texts.empty()) return Error{ErrorCode::kInvalidArgument, "there are no sequences to compare on"};
  return texts;
}

}  // namespace

Result<std::vector<eval::PositionDivergence>> compare_rows(MatrixView<const float> reference,
                                                           MatrixView<const float> logits,
                                                           std::span<const std::int32_t> targets,
                                                           ThreadPool& pool) {
  std::vector<eval::PositionDivergence> positions(targets.size());
  std::vector<Status> results(targets.size());
  const auto row = [](MatrixView<const float> matrix, std::int64_t i) {
    return std::span(matrix.row(i), static_cast<std::size_t>(matrix.cols));
  };
  pool.parallel_for(static_cast<std::int64_t>(targets.size()), 1, [&](WorkRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto place = static_cast<std::size_t>(i);
      auto position = eval::compare_position(row(reference, i), row(logits, i), targets[place]);
      if (position) {
        positions[place] = *position;
      } else {
        results[place] = position.error();
      }
    }
  });
  for (const auto& result : results) ASSAY_RETURN_IF_ERROR(result);
  return positions;
}

Result<DivergenceRun> run_divergence(const LanguageModel& reference, const LanguageModel& model,
                                     const Tokenizer& tokenizer,
                                     std::span<const std::vector<std::int32_t>> sequences,
                                     const KernelContext& kernels, Progress& progress) {
  const auto start = Clock::now();
  ASSAY_RETURN_IF_ERROR(check_vocabularies(reference, model, tokenizer));
  ASSAY_TRY(const auto texts, with_prefix(sequences, tokenizer));
  Forward reference_forward(reference, kernels), forward(model, kernels);
  DivergenceRun run;
  for (const SequenceChunk& batch : cut_chunks(texts, Reads::kPredict, kBatchTokens)) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(const Matrix<float> reference_hidden,
              reference_forward.hidden_states(batch.tokens, batch.sequences));
    ASSAY_TRY(const Matrix<float> hidden, forward.hidden_states(batch.tokens, batch.sequences));
    std::vector<eval::PositionDivergence> positions;
    for (std::int64_t begin = 0; begin < hidden.rows(); begin += kLogitRows) {
      const std::int64_t end = std::min(begin + kLogitRows, hidden.rows());
      const Matrix<float> expected =
          reference_forward.logits(reference_hidden.view().rows_between(begin, end));
      const Matrix<float> logits = forward.logits(hidden.view().rows_between(begin, end));
      ASSAY_TRY(const auto rows, compare_rows(expected.view(), logits.view(),
                                              std::span(batch.targets)
                                                  .subspan(static_cast<std::size_t>(begin),
                                                           static_cast<std::size_t>(end - begin)),
                                              *kernels.pool));
      positions.insert(positions.end(), rows.begin(), rows.end());
    }
    for (const auto& rows : batch.sequences)
      run.texts.emplace_back(positions.begin() + rows.first_row,
                             positions.begin() + rows.first_row + rows.num_rows);
    progress.update("comparing", std::ssize(run.texts), std::ssize(texts));
  }
  ASSAY_TRY(run.record, eval::evaluate_divergence(run.texts));
  run.seconds = seconds_since(start);
  return run;
}

}  // namespace assay
