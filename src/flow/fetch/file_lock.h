// One process at a time for what two could spoil.
#pragma once
#include <filesystem>
#include <utility>

#include "base/result.h"

namespace assay {

// flock(2) on a file that stays behind when the lock is gone, as huggingface_hub's locks do. Freed by the
// system when the process ends, however it ends.
class FileLock {
 public:
  // Creates the folders above `path`. Does not wait. Errors: kIo; another process holding it is told as such.
  static Result<FileLock> take(const std::filesystem::path& path);

  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace assay
