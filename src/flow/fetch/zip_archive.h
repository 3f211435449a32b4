// Reading zip archives (wheels among them).
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

struct zip;

namespace assay {

// Not thread safe.
class ZipArchive {
 public:
  // Errors: kCorrupt, naming the file.
  static Result<ZipArchive> open(const std::filesystem::path& path);

  // Of files and folders, as they stand in the archive: they may be anything.
  std::vector<std::string> members() const;

  // Hands out the content piece by piece; its checksum (CRC-32) is checked on the way. Errors: kCorrupt (no
  // such member, wrong checksum), those of `take`, kInterrupted.
  Status read(const std::string& member, const std::function<Status(ByteView)>& take) const;

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  std::string name_;
  std::unique_ptr<zip, Close> archive_;
};

}  // namespace assay
