// Writing tensors one after another into a file whose header has announced them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// Accepts exactly the announced bytes in the announced order. Not thread safe.
class TensorStream {
 public:
  struct Slot {
    std::string name;
    std::uint64_t num_bytes = 0;
    std::uint64_t padding_bytes = 0;  // zeros written after the tensor
  };

  // REQUIRES: the header is already in `file`.
  TensorStream(AtomicFile file, std::vector<Slot> slots) : file_(std::move(file)), slots_(std::move(slots)) {}

  // Errors: kInvalidArgument when `name` is not the tensor that is due, or more bytes come than announced;
  // kIo.
  Status append(std::string_view name, ByteView bytes);
  // Errors: kInvalidArgument naming the first tensor whose bytes are missing; kIo.
  Status commit();

 private:
  Status pass_complete_slots();
  AtomicFile file_;
  std::vector<Slot> slots_;
  std::size_t current_ = 0;
  std::uint64_t written_ = 0;  // bytes of slots_[current_] so far
};

}  // namespace assay
