// Token sequences in the portions that a model computes at once.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "engine/forward.h"

namespace assay {

// kPredict: the last token of a sequence is not read, so that each that is read has a target.
enum class Reads : std::uint8_t { kAll, kPredict };

// Whole sequences, one after the other.
struct SequenceChunk {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;    // with kPredict: the token after each
  std::vector<SequenceRows> sequences;  // tile the tokens
};

// In the order given, at most `max_tokens` to a chunk; a sequence that is longer has a chunk of its own, one
// with nothing to read is left out.
std::vector<SequenceChunk> cut_chunks(std::span<const std::vector<std::int32_t>> sequences, Reads reads,
                                      std::int64_t max_tokens);

}  // namespace assay
