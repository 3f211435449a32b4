#include "flow/sequence_chunks.h"

namespace assay {

std::vector<SequenceChunk> cut_chunks(std::span<const std::vector<std::int32_t>> sequences, Reads reads,
                                      std::int64_t max_tokens) {
  const std::size_t ahead = reads == Reads::kPredict ? 1 : 0;
  std::vector<SequenceChunk> chunks;
  for (const auto& ids : sequences) {
    if (ids.size() <= ahead) continue;
    const auto read = std::span(ids).first(ids.size() - ahead);
    if (chunks.empty() || std::ssize(chunks.back().tokens) + std::ssize(read) > max_tokens)
      chunks.emplace_back();
    SequenceChunk& chunk = chunks.back();
    chunk.sequences.push_back({std::ssize(chunk.tokens), std::ssize(read), nullptr});
    chunk.tokens.insert(chunk.tokens.end(), read.begin(), read.end());
    if (reads == Reads::kPredict) chunk.targets.insert(chunk.targets.end(), ids.begin() + 1, ids.end());
  }
  return chunks;
}

}  // namespace assay
