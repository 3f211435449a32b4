#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace assay {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path.string() + ": " + std::strerror(errno)};
  }
  struct stat info {};
  const bool readable = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (!readable) {
    ::close(fd);
    return Error{ErrorCode::kIo, path.string() + ": is not a regular file"};
  }
  const auto num_bytes = static_cast<std::size_t>(info.st_size);
  if (num_bytes == 0) {
    ::close(fd);
    return MappedFile(ByteView());
  }
  void* address = ::mmap(nullptr, num_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  const int map_errno = errno;
  ::close(fd);
  if (address == MAP_FAILED) return Error{ErrorCode::kIo, path.string() + ": cannot map: " + std::strerror(map_errno)};
  return MappedFile(ByteView(static_cast<const std::byte*>(address), num_bytes));
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::release(ByteView range) const {
  if (range.data() < bytes_.data() || range.data() + range.size() > bytes_.data() + bytes_.size()) return;
  // Only whole pages inside of the range: a page that is shared with a neighbour may still be in use.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(range.data()) + range.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace assay
