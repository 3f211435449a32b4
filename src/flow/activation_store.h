// The activations of a calibration set between two stages of a block, in memory or, when they are too many, on disk.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"
#include "engine/forward.h"

namespace assay {

// One BlockState per chunk of the calibration set. Not thread safe.
class ActivationStore {
 public:
  // In memory when `expected_bytes` <= memory_bytes; otherwise in a file in `folder` that has no name and so vanishes with the
  // process, whatever ends it. Errors: kIo.
  static Result<ActivationStore> create(std::size_t num_chunks, std::uint64_t expected_bytes, std::uint64_t memory_bytes,
                                        const std::filesystem::path& folder);
  ActivationStore(ActivationStore&& other) noexcept;
  ActivationStore& operator=(ActivationStore&& other) = delete;
  ActivationStore(const ActivationStore&) = delete;
  ~ActivationStore();

  std::size_t num_chunks() const { return chunks_.size(); }
  bool on_disk() const { return fd_ >= 0; }

  // Takes the chunk out; put it back with store. Errors: kIo (disk full among them).
  Result<BlockState> take(std::size_t chunk);
  Status store(std::size_t chunk, BlockState state);

 private:
  ActivationStore(std::size_t num_chunks, int fd) : chunks_(num_chunks), fd_(fd) {}
  struct Chunk {
    BlockState state;                            // when in memory
    std::int64_t hidden_rows = 0, hidden_cols = 0, input_rows = 0, input_cols = 0;  // when on disk
    std::uint64_t offset = 0, capacity = 0;      // of its place in the file
  };
  std::vector<Chunk> chunks_;
  int fd_ = -1;
  std::uint64_t file_end_ = 0;
};

}  // namespace assay
