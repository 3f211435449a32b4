#include "flow/fetch/zip_archive.h"

#include <zip.h>

#include "base/interrupt.h"

namespace assay {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 20;

struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

void ZipArchive::Close::operator()(zip* archive) const { zip_discard(archive); }

Result<ZipArchive> ZipArchive::open(const std::filesystem::path& path) {
  int code = 0;
  ZipArchive opened;
  opened.name_ = path.filename().string();
  opened.archive_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!opened.archive_)
    return Error{ErrorCode::kCorrupt,
                 opened.name_ + ": is not a readable zip archive (zip error " + std::to_string(code) + ")"};
  return opened;
}

std::vector<std::string> ZipArchive::members() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    if (const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0))
      names.emplace_back(name);
  }
  return names;
}

Status ZipArchive::read(const std::string& member, const std::function<Status(ByteView)>& take) const {
  const std::unique_ptr<zip_file_t, CloseMember> file(zip_fopen(archive_.get(), member.c_str(), 0));
  if (!file) return Error{ErrorCode::kCorrupt, name_ + ": has no file " + member};
  std::vector<std::byte> buffer(kStep);
  while (true) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const zip_int64_t count = zip_fread(file.get(), buffer.data(), buffer.size());
    if (count < 0)
      return Error{ErrorCode::kCorrupt,
                   name_ + ": " + member + " cannot be unpacked: " + zip_file_strerror(file.get())};
    if (count == 0) return {};
    ASSAY_RETURN_IF_ERROR(take(ByteView(buffer).first(static_cast<std::size_t>(count))));
  }
}

}  // namespace assay
