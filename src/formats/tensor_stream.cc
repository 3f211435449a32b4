#include "formats/tensor_stream.h"

#include <algorithm>
#include <array>

#include "formats/tensor_view.h"

namespace assay {

Status TensorStream::append(std::string_view name, ByteView bytes) {
  ASSAY_RETURN_IF_ERROR(pass_complete_slots());
  // An empty tensor is complete as soon as it is due, so there is nothing to append for it.
  if (bytes.empty()) return {};
  if (current_ == slots_.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "tensor " + quote(name) + ": all announced tensors are written already"};
  }
  const Slot& slot = slots_[current_];
  if (slot.name != name) {
    return Error{ErrorCode::kInvalidArgument,
                 "tensor " + quote(name) + ": " + quote(slot.name) + " is due before it"};
  }
  if (bytes.size() > slot.num_bytes - written_) {
    return Error{ErrorCode::kInvalidArgument, "tensor " + quote(name) + ": more than its " +
                                                  std::to_string(slot.num_bytes) + " bytes were given"};
  }
  ASSAY_RETURN_IF_ERROR(file_.write(bytes));
  written_ += bytes.size();
  return {};
}

Status TensorStream::commit() {
  ASSAY_RETURN_IF_ERROR(pass_complete_slots());
  if (current_ != slots_.size()) {
    const Slot& slot = slots_[current_];
    return Error{ErrorCode::kInvalidArgument, "tensor " + quote(slot.name) + ": only " +
                                                  std::to_string(written_) + " of its " +
                                                  std::to_string(slot.num_bytes) + " bytes were given"};
  }
  return file_.commit();
}

Status TensorStream::pass_complete_slots() {
  constexpr std::array<std::byte, 64> kZeros{};
  while (current_ < slots_.size() && written_ == slots_[current_].num_bytes) {
    for (std::uint64_t left = slots_[current_].padding_bytes; left > 0;) {
      const std::uint64_t step = std::min<std::uint64_t>(left, kZeros.size());
      ASSAY_RETURN_IF_ERROR(file_.write(ByteView(kZeros).first(step)));
      left -= step;
    }
    ++current_;
    written_ = 0;
  }
  return {};
}

}  // namespace assay
