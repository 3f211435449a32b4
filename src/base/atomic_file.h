// Files that appear whole or not at all.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// Writes to a temporary name beside `path`; commit() makes it durable and gives it its name (fsync, rename, fsync of
// the folder). Without commit() the destructor removes the temporary file and whatever stood at `path` stays.
// Errors: kIo with the path and the system's reason (disk full among them). Not thread safe.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) = delete;
  AtomicFile(const AtomicFile&) = delete;
  ~AtomicFile();

  Status write(ByteView bytes);
  Status write(std::string_view text) { return write(as_bytes(text)); }
  Status commit();

 private:
  AtomicFile(std::filesystem::path path, std::string temporary, int fd);
  Error failed(const char* action) const;
  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
};

// The whole content in one call.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace assay
