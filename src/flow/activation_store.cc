#include "flow/activation_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace assay {
namespace {

Error spill_error(const char* action) {
  return {ErrorCode::kIo, std::string("cannot ") + action + " the activations spilled to disk: " + std::strerror(errno)};
}

// Calls pread or pwrite until `num_bytes` are through.
template <typename Call>
bool transfer_all(Call call, char* data, std::uint64_t num_bytes, std::uint64_t offset) {
  while (num_bytes > 0) {
    const ssize_t done = call(data, num_bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    data += done;
    offset += static_cast<std::uint64_t>(done);
    num_bytes -= static_cast<std::uint64_t>(done);
  }
  return true;
}

std::uint64_t bytes_of(const Matrix<float>& matrix) { return matrix.values().size_bytes(); }

}  // namespace

Result<ActivationStore> ActivationStore::create(std::size_t num_chunks, std::uint64_t expected_bytes, std::uint64_t memory_bytes,
                                                const std::filesystem::path& folder) {
  if (expected_bytes <= memory_bytes) return ActivationStore(num_chunks, -1);
  std::string name = (folder / "activations-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return spill_error("create a file for");
  ::unlink(name.c_str());
  return ActivationStore(num_chunks, fd);
}

ActivationStore::ActivationStore(ActivationStore&& other) noexcept
    : chunks_(std::move(other.chunks_)), fd_(std::exchange(other.fd_, -1)), file_end_(other.file_end_) {}

ActivationStore::~ActivationStore() {
  if (fd_ >= 0) ::close(fd_);
}

Result<BlockState> ActivationStore::take(std::size_t chunk) {
  Chunk& place = chunks_[chunk];
  if (!on_disk()) return std::move(place.state);
  BlockState state{Matrix<float>(place.hidden_rows, place.hidden_cols), Matrix<float>(place.input_rows, place.input_cols)};
  const auto read = [this](char* data, std::uint64_t n, off_t offset) { return ::pread(fd_, data, n, offset); };
  const bool complete = transfer_all(read, reinterpret_cast<char*>(state.hidden.data()), bytes_of(state.hidden), place.offset) &&
                        transfer_all(read, reinterpret_cast<char*>(state.inputs.data()), bytes_of(state.inputs), place.offset + bytes_of(state.hidden));
  if (!complete) return spill_error("read");
  return state;
}

Status ActivationStore::store(std::size_t chunk, BlockState state) {
  Chunk& place = chunks_[chunk];
  if (!on_disk()) {
    place.state = std::move(state);
    return {};
  }
  const std::uint64_t needed = bytes_of(state.hidden) + bytes_of(state.inputs);
  if (needed > place.capacity) {
    place.offset = file_end_;
    place.capacity = needed;
    file_end_ += needed;
  }
  place.hidden_rows = state.hidden.rows();
  place.hidden_cols = state.hidden.cols();
  place.input_rows = state.inputs.rows();
  place.input_cols = state.inputs.cols();
  const auto write = [this](char* data, std::uint64_t n, off_t offset) { return ::pwrite(fd_, data, n, offset); };
  const bool complete = transfer_all(write, reinterpret_cast<char*>(state.hidden.data()), bytes_of(state.hidden), place.offset) &&
                        transfer_all(write, reinterpret_cast<char*>(state.inputs.data()), bytes_of(state.inputs), place.offset + bytes_of(state.hidden));
  if (!complete) return spill_error("write");
  return {};
}

}  // namespace assay
