#include "flow/evaluate_llm.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "engine/forward.h"
#include "eval/token_split.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

// Logits of this many rows at once: the whole head is unpacked once per call, the result is rows * vocabulary floats.
constexpr std::int64_t kLogitRows = 256;

eval::EncodeText encoder(const Tokenizer& tokenizer) {
  return [&tokenizer](std::string_view text, bool add_special) { return tokenizer.encode(text, add_special); };
}

// The token that stands before a text that has none: BOS, or EOS where the model has no BOS.
Result<std::int32_t> prefix_token(const LanguageModel& model, const Tokenizer& tokenizer) {
  if (tokenizer.bos_id()) return *tokenizer.bos_id();
  if (model.config.bos_id) return static_cast<std::int32_t>(*model.config.bos_id);
  if (tokenizer.eos_id()) return *tokenizer.eos_id();
  if (!model.config.eos_ids.empty()) return static_cast<std::int32_t>(model.config.eos_ids[0]);
  return Error{ErrorCode::kInvalidArgument, "neither tokenizer nor config.json name a BOS or EOS token"};
}

Status check_vocabulary(const LanguageModel& model, const Tokenizer& tokenizer) {
  // Models pad their vocabulary upwards; ids beyond the padding mean another model's tokenizer.
  if (tokenizer.vocabulary_size() <= model.config.vocab_size) return {};
  return Error{ErrorCode::kInvalidArgument, "the tokenizer has " + std::to_string(tokenizer.vocabulary_size()) + " tokens, the model's vocabulary only " +
                                                std::to_string(model.config.vocab_size) + ": this is not the model's tokenizer"};
}

// Scores hidden states against their next tokens, a bounded number of logits at a time.
class RowScorer {
 public:
  explicit RowScorer(Forward& forward) : forward_(forward) {}

  // `score` takes the place that was given and the score, in the order of the calls.
  template <typename Take>
  Status score(const Matrix<float>& hidden, std::span<const std::int32_t> targets, Take take) {
    for (std::size_t begin = 0; begin < targets.size(); begin += kLogitRows) {
      const std::size_t count = std::min<std::size_t>(kLogitRows, targets.size() - begin);
      const Matrix<float> logits = forward_.logits(hidden.view().rows_between(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(begin + count)));
      for (std::size_t i = 0; i < count; ++i) {
        const std::span<const float> row(logits.row(static_cast<std::int64_t>(i)), static_cast<std::size_t>(logits.cols()));
        ASSAY_TRY(const eval::TokenScore token, eval::score_token(row, targets[begin + i]));
        take(begin + i, token);
      }
    }
    return {};
  }

 private:
  Forward& forward_;
};

Result<std::vector<eval::ScoredTokens>> tokenize(const LanguageModel& model, const Tokenizer& tokenizer, std::span<const eval::ClozeExample> data) {
  ASSAY_RETURN_IF_ERROR(check_vocabulary(model, tokenizer));
  eval::SplitOptions options;
  options.max_length = model.config.max_positions;
  ASSAY_TRY(options.prefix_token_id, prefix_token(model, tokenizer));
  std::vector<eval::ScoredTokens> tokens;
  for (std::size_t i = 0; i < data.size(); ++i) {
    auto split = eval::split_context_and_target(data[i].context, data[i].target, encoder(tokenizer), options);
    if (!split) return split.error().with_context("example " + std::to_string(i + 1));
    tokens.push_back(*std::move(split));
  }
  return tokens;
}

}  // namespace

Result<LambadaRun> run_lambada(const LanguageModel& model, const Tokenizer& tokenizer, std::span<const eval::ClozeExample> data,
                               const LambadaOptions& options, const KernelContext& kernels, Progress& progress) {
  if (options.limit > 0) data = data.first(std::min(data.size(), static_cast<std::size_t>(options.limit)));
  const auto start = Clock::now();
  ASSAY_TRY(const auto tokens, tokenize(model, tokenizer, data));
  LambadaRun run;
  run.examples.resize(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    run.examples[i].tokens.resize(tokens[i].targets.size());
    run.examples[i].truncated = tokens[i].truncated;
  }
  // Longest first: the first batch then shows whether memory suffices.
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return tokens[a].input.size() > tokens[b].input.size(); });

  Forward forward(model, kernels);
  RowScorer scorer(forward);
  progress.update("evaluating", 0, static_cast<std::int64_t>(order.size()));
  for (std::size_t next = 0; next < order.size();) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    std::vector<std::int32_t> batch, targets;
    std::vector<SequenceRows> sequences;
    std::vector<std::int64_t> rows;
    std::vector<eval::TokenScore*> places;
    while (next < order.size()) {
      const eval::ScoredTokens& example = tokens[order[next]];
      if (!batch.empty() && static_cast<std::int64_t>(batch.size() + example.input.size()) > options.batch_tokens) break;
      const auto first_row = static_cast<std::int64_t>(batch.size());
      sequences.push_back({first_row, static_cast<std::int64_t>(example.input.size()), nullptr});
      batch.insert(batch.end(), example.input.begin(), example.input.end());
      for (std::size_t t = 0; t < example.targets.size(); ++t) {
        rows.push_back(first_row + example.first_scored + static_cast<std::int64_t>(t));
        targets.push_back(example.targets[t]);
        places.push_back(&run.examples[order[next]].tokens[t]);
      }
      ++next;
    }
    ASSAY_TRY(const Matrix<float> hidden, forward.hidden_rows(batch, sequences, rows));
    ASSAY_RETURN_IF_ERROR(scorer.score(hidden, targets, [&](std::size_t i, const eval::TokenScore& score) { *places[i] = score; }));
    progress.update("evaluating", static_cast<std::int64_t>(next), static_cast<std::int64_t>(order.size()));
  }
  ASSAY_TRY(run.record, eval::evaluate_lambada(run.examples, options.top_k));
  run.seconds = seconds_since(start);
  return run;
}

Result<PerplexityRun> run_perplexity(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view text,
                                     const PerplexityOptions& options, const KernelContext& kernels, Progress& progress) {
  const auto start = Clock::now();
  ASSAY_RETURN_IF_ERROR(check_vocabulary(model, tokenizer));
  ASSAY_TRY(std::vector<std::int32_t> tokens, tokenizer.encode(text, false));
  if (options.limit_tokens > 0) tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(options.limit_tokens)));
  // Whether the model expects a BOS before each window is what its tokenizer does to an empty text.
  ASSAY_TRY(const auto specials, tokenizer.encode("", true));
  eval::WindowOptions window_options;
  window_options.context_length = options.context_length > 0 ? options.context_length : std::min<std::int64_t>(model.config.max_positions, 2048);
  window_options.stride = options.stride;
  window_options.prefix_token = !specials.empty();
  if (window_options.context_length > model.config.max_positions) {
    return Error{ErrorCode::kInvalidArgument, "a context of " + std::to_string(window_options.context_length) + " is longer than the model's " +
                                                  std::to_string(model.config.max_positions)};
  }
  ASSAY_TRY(const auto windows, eval::plan_windows(static_cast<std::int64_t>(tokens.size()), window_options));
  Forward forward(model, kernels);
  RowScorer scorer(forward);
  std::vector<double> log_probs;
  std::int64_t first_scored = 0;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const eval::TokenWindow& window = windows[w];
    if (w == 0) first_scored = window.score_begin;
    std::vector<std::int32_t> input(tokens.begin() + window.begin, tokens.begin() + window.end - 1);
    if (window_options.prefix_token) input.insert(input.begin(), specials.front());
    std::vector<std::int64_t> rows;
    std::vector<std::int32_t> targets;
    for (std::int64_t t = window.score_begin; t < window.end; ++t) {
      rows.push_back(t - window.begin - (window_options.prefix_token ? 0 : 1));
      targets.push_back(tokens[static_cast<std::size_t>(t)]);
    }
    const SequenceRows sequence{0, static_cast<std::int64_t>(input.size()), nullptr};
    ASSAY_TRY(const Matrix<float> hidden, forward.hidden_rows(input, {&sequence, 1}, rows));
    ASSAY_RETURN_IF_ERROR(scorer.score(hidden, targets, [&](std::size_t, const eval::TokenScore& score) { log_probs.push_back(score.log_prob); }));
    progress.update("evaluating", static_cast<std::int64_t>(w + 1), static_cast<std::int64_t>(windows.size()));
  }
  // Bytes are known only when every token but the leading ones is scored.
  std::uint64_t text_bytes = 0;
  if (static_cast<std::int64_t>(log_probs.size()) == static_cast<std::int64_t>(tokens.size()) - first_scored) {
    for (std::size_t t = static_cast<std::size_t>(first_scored); t < tokens.size(); ++t) text_bytes += tokenizer.token_bytes(tokens[t]).size();
  }
  PerplexityRun run;
  ASSAY_TRY(run.record, eval::evaluate_perplexity(log_probs, text_bytes));
  run.context_length = window_options.context_length;
  run.stride = options.stride > 0 ? options.stride : window_options.context_length;
  run.seconds = seconds_since(start);
  return run;
}

Result<Matrix<float>> run_logits(const LanguageModel& model, std::span<const std::int32_t> ids, const KernelContext& kernels) {
  if (ids.empty()) return Error{ErrorCode::kInvalidArgument, "there are no token ids"};
  const SequenceRows sequence{0, static_cast<std::int64_t>(ids.size()), nullptr};
  Forward forward(model, kernels);
  ASSAY_TRY(const Matrix<float> hidden, forward.hidden_states(ids, {&sequence, 1}));
  return forward.logits(hidden.view());
}

}  // namespace assay
