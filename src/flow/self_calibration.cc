#include "flow/self_calibration.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/atomic_file.h"
#include "base/elapsed.h"
#include "base/interrupt.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "engine/forward.h"
#include "engine/sampler.h"
#include "flow/chat_marks.h"
#include "flow/story_openings.h"
#include "flow/weights_hash.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using Sequences = std::vector<std::vector<std::int32_t>>;

// Enough rows that the products with weights, not the reading of weights, take the time; few enough that keys
// and values of a small model (46 KB a token for SmolLM2-135M) fit into memory by far.
constexpr std::int64_t kBatch = 64;
constexpr std::size_t kLeadingTokens = 4;  // LLM-QAT: "the first 3 to 5 tokens" are the most likely ones
constexpr int kMaxJsonDepth = 3;

// Which tokens may begin a text, what stands before it, and how a request is marked.
struct TextStart {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> first;
  std::optional<ChatMarks> marks;
};

Result<TextStart> text_start(const LanguageModel& model, const Tokenizer& tokenizer) {
  if (tokenizer.vocabulary_size() > model.config.vocab_size) {
    return Error{ErrorCode::kInvalidArgument,
                 "the tokenizer has " + std::to_string(tokenizer.vocabulary_size()) +
                     " tokens, the model's vocabulary only " + std::to_string(model.config.vocab_size) +
                     ": this is not the model's tokenizer"};
  }
  TextStart start;
  ASSAY_TRY(start.prefix, tokenizer.encode("", true));
  start.marks = find_chat_marks(tokenizer);
  for (std::int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    if (!tokenizer.is_special(id) && !tokenizer.token_bytes(id).empty()) start.first.push_back(id);
  }
  if (start.first.empty())
    return Error{ErrorCode::kInvalidArgument, "the tokenizer has no token to begin a text with"};
  return start;
}

// One sequence while it is written.
class Writer {
 public:
  Writer(const LanguageModel& model, const Tokenizer& tokenizer, const TextStart& start, Sampler drawn,
         Sampler most_likely, const SelfCalibrationOptions& options, std::uint64_t seed)
      : model_(model),
        tokenizer_(tokenizer),
        start_(start),
        drawn_(std::move(drawn)),
        most_likely_(std::move(most_likely)),
        options_(options),
        rng_(seed) {}

  // The next token, where `logits` follow the ones so far; they may be empty at the very beginning.
  Status advance(std::span<const float> logits) {
    if (place_ == 0) ASSAY_RETURN_IF_ERROR(begin_text());
    const std::size_t place = place_++;
    if (place < given_.size()) {
      last_ = given_[place];
      if (!answers_ || place < start_.prefix.size()) ids_.push_back(last_);
      return {};
    }
    const bool leads = !is_story_ && place < given_.size() + kLeadingTokens;
    ASSAY_TRY(last_, (leads ? most_likely_ : drawn_).sample(logits));
    ids_.push_back(last_);
    const auto& ends = model_.config.eos_ids;
    if (tokenizer_.eos_id() == last_ || std::find(ends.begin(), ends.end(), last_) != ends.end()) place_ = 0;
    return {};
  }
  std::int32_t last() const { return last_; }
  std::int64_t length() const { return std::ssize(ids_); }
  bool is_done() const { return length() == options_.sequence_length; }
  bool begins_text() const { return place_ == 1; }  // with last()
  std::vector<std::int32_t> take() { return std::move(ids_); }

 private:
  Status begin_text() {
    given_ = start_.prefix;
    answers_ = false;
    is_story_ = options_.stories > 0 && rng_.uniform() < options_.stories;
    if (is_story_) {
      ASSAY_TRY(const auto opening, draw_opening());
      given_.insert(given_.end(), opening.begin(), opening.end());
    } else {
      given_.push_back(start_.first[rng_.below(start_.first.size())]);
    }
    return {};
  }

  Result<std::vector<std::int32_t>> draw_opening() {
    if (start_.marks && options_.answers > 0 && rng_.uniform() < options_.answers) {
      ASSAY_TRY(auto request, tokenizer_.encode(ask(*start_.marks, draw_story_request(rng_)), false));
      // The request takes part of the model's context, though not of the sequence.
      answers_ = std::ssize(start_.prefix) + std::ssize(request) + options_.sequence_length <=
                 model_.config.max_positions;
      if (answers_) return request;
    }
    return tokenizer_.encode(draw_story_opening(rng_), false);
  }

  const LanguageModel& model_;
  const Tokenizer& tokenizer_;
  const TextStart& start_;
  Sampler drawn_, most_likely_;
  const SelfCalibrationOptions& options_;
  Rng rng_;
  std::vector<std::int32_t> given_;  // what the running text begins with
  bool is_story_ = false, answers_ = false;
  std::vector<std::int32_t> ids_;
  std::int32_t last_ = 0;
  std::size_t place_ = 0;  // in the running text
};

// Advances those of `rows` that are not done, in parallel: drawing from a large vocabulary takes about as
// long as a layer. Row i of the logits is for writer rows[i]; there may be no logits at the very beginning.
Status advance(std::vector<Writer>& writers, std::span<const std::size_t> rows,
               MatrixView<const float> logits, ThreadPool& pool) {
  std::vector<Status> results(rows.size());
  pool.parallel_for(std::ssize(rows), 1, [&](WorkRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::span<const float> row =
          logits.rows == 0 ? std::span<const float>()
                           : std::span(logits.row(i), static_cast<std::size_t>(logits.cols));
      if (!writers[rows[at]].is_done()) results[at] = writers[rows[at]].advance(row);
    }
  });
  for (const auto& result : results) ASSAY_RETURN_IF_ERROR(result);
  return {};
}

// Those that are not done, but at least two of them all: a row alone is summed in another order than one
// among others, so none is computed alone.
std::vector<std::size_t> rows_to_compute(const std::vector<Writer>& writers) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < writers.size(); ++i) {
    if (!writers[i].is_done()) rows.push_back(i);
  }
  if (rows.size() == 1) rows.push_back(rows[0] == 0 ? 1 : 0);
  return rows;
}

Result<std::vector<Writer>> make_writers(const LanguageModel& model, const Tokenizer& tokenizer,
                                         const TextStart& start, const SelfCalibrationOptions& options,
                                         std::int64_t first, std::int64_t count, const KernelTable& kernels) {
  ASSAY_TRY(const Sampler most_likely, Sampler::create({}, kernels));
  // Seeds are random numbers themselves: neighbouring states of the generator would give shifted copies of
  // one stream.
  const std::uint64_t base = Rng(options.seed).next();
  std::vector<Writer> writers;
  for (std::int64_t i = first; i < first + count; ++i) {
    Rng seeds(Rng(base + static_cast<std::uint64_t>(i)).next());
    ASSAY_TRY(Sampler drawn,
              Sampler::create({.temperature = options.temperature, .seed = seeds.next()}, kernels));
    writers.emplace_back(model, tokenizer, start, std::move(drawn), most_likely, options, seeds.next());
  }
  return writers;
}

Status check(const LanguageModel& model, const SelfCalibrationOptions& options) {
  if (options.sequences < 1 || options.sequence_length < 2) {
    return Error{ErrorCode::kInvalidArgument, "expected at least one sequence of at least two tokens"};
  }
  if (options.sequence_length > model.config.max_positions) {
    return Error{ErrorCode::kInvalidArgument, "sequences of " + std::to_string(options.sequence_length) +
                                                  " tokens are longer than the model's context of " +
                                                  std::to_string(model.config.max_positions)};
  }
  return {};
}

// What a file tells before its samples; files of the same header hold sequences of the same series, whatever
// the model was called.
ordered_json header(const LanguageModel& model, const std::string& model_name,
                    const SelfCalibrationOptions& options) {
  return {{"source", "generated by the model itself (LLM-QAT, arXiv:2305.17888)"},
          {"model", model_name},
          {"weights_hash", weights_hash(model)},
          {"temperature", options.temperature},
          {"stories", options.stories},
          {"answers", options.answers},
          {"leading_tokens", kLeadingTokens},
          {"sequence_length", options.sequence_length},
          {"seed", options.seed}};
}

std::string with_samples(ordered_json header, const Sequences& sequences, const Tokenizer& tokenizer) {
  header["samples"] = sequences;
  for (const auto& ids : sequences) header["texts"].push_back(tokenizer.decode(ids, false));
  return header.dump() + "\n";
}

// The sequences that an earlier call left; none where there was no such call.
Result<Sequences> read_earlier(const std::filesystem::path& path, ordered_json expected_header,
                               std::int64_t vocabulary_size) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Sequences{};
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  const Error other{ErrorCode::kInvalidArgument,
                    path.string() + ": a file of other settings or weights is here; remove it first"};
  const auto parsed = parse_ordered_json(file.bytes(), kMaxJsonDepth);
  if (!parsed || !parsed->is_object() || !parsed->contains("samples")) return other;
  ordered_json found = *parsed;
  for (const char* key : {"samples", "texts", "model"}) found.erase(key);
  expected_header.erase("model");
  if (found != expected_header) return other;
  Sequences sequences;
  for (const auto& sample : (*parsed)["samples"]) {
    if (!sample.is_array()) return other;
    auto& ids = sequences.emplace_back();
    for (const auto& id : sample) {
      if (!id.is_number_integer() || id < 0 || id >= vocabulary_size) return other;
      ids.push_back(id.get<std::int32_t>());
    }
  }
  return sequences;
}

}  // namespace

Result<Sequences> sample_sequences(const LanguageModel& model, const Tokenizer& tokenizer,
                                   const SelfCalibrationOptions& options, std::int64_t first,
                                   std::int64_t count, const KernelContext& kernels, Progress& progress) {
  ASSAY_RETURN_IF_ERROR(check(model, options));
  ASSAY_TRY(const TextStart start, text_start(model, tokenizer));
  const std::int64_t at_least_two = std::max<std::int64_t>(count, 2);
  ASSAY_TRY(std::vector<Writer> writers,
            make_writers(model, tokenizer, start, options, first, at_least_two, *kernels.table));
  Forward forward(model, kernels);
  std::vector<KvCache> caches(writers.size(), KvCache(model.config, kernels.activations));
  std::vector<std::size_t> rows = rows_to_compute(writers);
  ASSAY_RETURN_IF_ERROR(advance(writers, rows, {}, *kernels.pool));
  // Once: of a large vocabulary it is so much memory that the system would hand it out anew for every token.
  auto logits = Matrix<float>::unset(std::ssize(writers), model.config.vocab_size);
  for (rows = rows_to_compute(writers); !rows.empty(); rows = rows_to_compute(writers)) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    std::vector<std::int32_t> tokens;
    std::vector<SequenceRows> sequences;
    for (const std::size_t i : rows) {
      if (writers[i].begins_text() || writers[i].is_done()) caches[i].clear();
      sequences.push_back({std::ssize(tokens), 1, &caches[i]});
      tokens.push_back(writers[i].last());
    }
    ASSAY_TRY(const Matrix<float> hidden, forward.hidden_states(tokens, sequences));
    const auto row_logits = logits.view().rows_between(0, hidden.rows());
    forward.logits(hidden.view(), row_logits);
    ASSAY_RETURN_IF_ERROR(advance(writers, rows, row_logits, *kernels.pool));
    std::int64_t written = first * options.sequence_length;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) written += writers[i].length();
    progress.update("writing", written, options.sequences * options.sequence_length);
  }
  Sequences result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(writers[static_cast<std::size_t>(i)].take());
  return result;
}

Result<SelfCalibrationRun> write_self_calibration(const LanguageModel& model, const Tokenizer& tokenizer,
                                                  const std::string& model_name,
                                                  const SelfCalibrationOptions& options,
                                                  const std::filesystem::path& path,
                                                  const KernelContext& kernels, Progress& progress) {
  ASSAY_RETURN_IF_ERROR(check(model, options));
  const auto start = Clock::now();
  std::filesystem::path partial = path;
  partial += ".partial";
  const ordered_json about = header(model, model_name, options);
  ASSAY_TRY(Sequences sequences, read_earlier(path, about, model.config.vocab_size));
  if (std::ssize(sequences) >= options.sequences)
    return SelfCalibrationRun{std::ssize(sequences) * options.sequence_length, 0, seconds_since(start)};
  ASSAY_TRY(Sequences unfinished, read_earlier(partial, about, model.config.vocab_size));
  if (unfinished.size() > sequences.size()) sequences = std::move(unfinished);
  if (static_cast<std::int64_t>(sequences.size()) > options.sequences)
    sequences.resize(static_cast<std::size_t>(options.sequences));
  const auto earlier = static_cast<std::int64_t>(sequences.size());
  while (static_cast<std::int64_t>(sequences.size()) < options.sequences) {
    const auto done = static_cast<std::int64_t>(sequences.size());
    ASSAY_TRY(Sequences batch,
              sample_sequences(model, tokenizer, options, done, std::min(kBatch, options.sequences - done),
                               kernels, progress));
    std::move(batch.begin(), batch.end(), std::back_inserter(sequences));
    ASSAY_RETURN_IF_ERROR(write_file_atomically(partial, with_samples(about, sequences, tokenizer)));
  }
  ASSAY_RETURN_IF_ERROR(write_file_atomically(path, with_samples(about, sequences, tokenizer)));
  std::error_code ignored;
  std::filesystem::remove(partial, ignored);
  return SelfCalibrationRun{options.sequences * options.sequence_length,
                            (options.sequences - earlier) * options.sequence_length, seconds_since(start)};
}

}  // namespace assay
