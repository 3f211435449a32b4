// Calibration data that a model writes itself: what it knows of its training text, where that text is not at
// hand. Source: LLM-QAT (arXiv:2305.17888), section 3.1.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

struct SelfCalibrationOptions {
  std::int64_t sequences = 512;
  std::int64_t sequence_length = 256;  // tokens of each, what the tokenizer puts before a text included
  double temperature = 1;
  double stories = 0.8;  // share of texts that are stories: flow/story_openings.h
  double answers = 0.5;  // share of stories that answer a request, where find_chat_marks finds marks
  std::uint64_t seed = 0;
};

struct SelfCalibrationRun {
  std::int64_t tokens = 0;    // in the file
  std::int64_t computed = 0;  // of them, by this call: fewer where it went on from an earlier one
  double seconds = 0;         // for those
};

// Sequences first ... first + count - 1 of the endless series that model, seed, temperature and length
// define. Each begins with what the tokenizer puts before a text, then one of three: the opening of a story;
// the answer to a request for a story, which stood between the marks of a conversation and is left out, since
// other texts have none before them; or a token drawn from all that are not special and the four most likely
// ones after it, which lead the model to something it knows. The rest are drawn at the temperature. A token
// that ends a text stays, and another text begins as the first did, without a look at it, so all sequences
// are equally long. (In its sight a model tends to end the next text at once, and every one after it.) Where
// request and sequence together exceed the model's context, there is an opening instead. Every sequence has
// its own random numbers: it depends neither on `first` and `count` nor on the number of threads. Memory:
// keys and values of count sequences and their requests. Errors: kInvalidArgument for options out of range, a
// sequence longer than the model's context, a tokenizer of another model; kCorrupt for logits that are not
// finite; kInterrupted.
Result<std::vector<std::vector<std::int32_t>>> sample_sequences(
    const LanguageModel& model, const Tokenizer& tokenizer, const SelfCalibrationOptions& options,
    std::int64_t first, std::int64_t count, const KernelContext& kernels, Progress& progress);

// Writes options.sequences of them to `path` as JSON that parse_calibration reads: where they come from
// (`model_name`, settings, a hash of the weights), then "samples" and, for people and for other programs,
// "texts". What is finished is kept in `path`.partial every 64 sequences. Goes on from what an earlier call
// with the same settings and weights left, there or at `path`; where that is as many sequences or more,
// `path` stays as it is. Errors: as above; kIo; kInvalidArgument where one of the two was made with other
// settings or weights.
Result<SelfCalibrationRun> write_self_calibration(const LanguageModel& model, const Tokenizer& tokenizer,
                                                  const std::string& model_name,
                                                  const SelfCalibrationOptions& options,
                                                  const std::filesystem::path& path,
                                                  const KernelContext& kernels, Progress& progress);

}  // namespace assay
