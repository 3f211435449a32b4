// Calibration data: token sequences on which the statistics of a quantization are taken.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace assay {

struct CalibrationOptions {
  std::int64_t samples = 128;           // at most so many sequences
  std::int64_t sequence_length = 512;   // at most so many tokens each
  std::uint64_t seed = 0;               // which parts of a longer text are taken
};

struct CalibrationSet {
  std::vector<std::vector<std::int32_t>> sequences;
  std::uint64_t hash = 0;  // of the ids: identifies the data in records and when a run is resumed

  std::int64_t num_tokens() const;
};

// Whether sequence i of a set judges what the others solve and teach, in every step alike, so that nothing has
// learnt from it.
constexpr bool is_held_out(std::size_t i) { return i % 8 == 7; }

// Puts the sequences of `more` behind those of `set`.
void append_calibration(CalibrationSet& set, CalibrationSet more);

// Understands by content: JSON token ids ([[1, 2], ...] or {"samples": [[1, 2], ...]}, taken as they are, in order, cut to
// the options), lines of {"text": "..."}, and plain text. Text is tokenized, joined, cut into pieces of sequence_length, and
// `samples` of them are drawn by the seed, in the order of the text. `name` stands in error messages.
// Errors: kCorrupt (not JSON, a line without "text", invalid UTF-8), kInvalidArgument (nothing to calibrate with, ids
// outside of [0, vocabulary_size)).
Result<CalibrationSet> parse_calibration(ByteView file, const std::string& name, const Tokenizer& tokenizer,
                                         std::int64_t vocabulary_size, const CalibrationOptions& options);

// Text that the program carries, for where no file is named.
struct BuiltinCalibration {
  std::string_view text;
  const char* name;  // in error messages
};
// parse_calibration of the file at `path`, or of `builtin` where `path` is empty. Errors: as above, kIo.
Result<CalibrationSet> read_calibration(const std::filesystem::path& path, const BuiltinCalibration& builtin, const Tokenizer& tokenizer,
                                        std::int64_t vocabulary_size, const CalibrationOptions& options);

}  // namespace assay
