// A whole file as read-only memory.
#pragma once
#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// Owns the mapping; the bytes stay valid and at the same address while it lives, also after a move.
// The file must not be truncated by others meanwhile (the kernel raises SIGBUS then).
// Thread safety: reading is safe from any number of threads.
class MappedFile {
 public:
  // Errors: kNotFound, kIo (not a regular file, no permission). An empty file maps to an empty view.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  ByteView bytes() const { return bytes_; }

  // Tells the kernel that this range will not be read again soon, so its pages stop counting as resident.
  // The content stays readable. Nothing is done for a range that is no part of bytes().
  void release(ByteView range) const;

 private:
  explicit MappedFile(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

}  // namespace assay
