#include "flow/fetch/web.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/digest.h"
#include "flow/fetch/file_lock.h"
#include "flow/fetch/zip_archive.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr std::size_t kMaxPictureBytes = std::size_t{64} << 20;

Error not_made(const fs::path& path, const std::error_code& error) {
  return {ErrorCode::kIo, path.string() + ": cannot be created: " + error.message()};
}

// Two processes would write into the same partial file.
Result<FileLock> lock_for(const fs::path& target) { return FileLock::take(target.string() + ".lock"); }

// Makes `partial` the whole file behind `url`; one with a wrong hash is removed.
Status download(const std::string& url, const fs::path& partial, std::uint64_t num_bytes,
                std::string_view sha256, const HttpOptions& http, Progress& progress) {
  std::uint64_t furthest = 0;
  ASSAY_RETURN_IF_ERROR(http_download(url, partial, num_bytes, http, [&](std::uint64_t bytes) {
    furthest = std::max(furthest, bytes);
    progress.update("fetching (MB)", static_cast<std::int64_t>(furthest / kMegabyte),
                    static_cast<std::int64_t>(num_bytes / kMegabyte + 1));
  }));
  ASSAY_TRY(const std::string found, sha256_of_file(partial));
  if (found == sha256) return {};
  std::error_code error;
  fs::remove(partial, error);
  return Error{ErrorCode::kCorrupt, url + ": the download has SHA-256 " + found + ", expected " +
                                        std::string(sha256) + "; run the command again"};
}

Status rename_into_place(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return Error{ErrorCode::kIo, to.string() + ": cannot be named: " + error.message()};
  return {};
}

Status unpack_file(const ZipArchive& zip, const std::string& member, const fs::path& to) {
  ASSAY_TRY(AtomicFile out, AtomicFile::create(to));
  ASSAY_RETURN_IF_ERROR(zip.read(member, [&](ByteView bytes) { return out.write(bytes); }));
  return out.commit();
}

// Names that would leave the folder, or make folders in it, are no files of it.
bool is_file_of(const std::string& member, std::string_view folder) {
  return member.starts_with(folder) && member.size() > folder.size() && member[folder.size()] != '.' &&
         member.find_first_of("/\\", folder.size()) == std::string::npos;
}

Status unpack_folder(const ZipArchive& zip, const RegisteredArchive& archive, const fs::path& to,
                     Progress& progress) {
  const fs::path unfinished = to.string() + ".unpacking";
  std::error_code error;
  fs::remove_all(unfinished, error);
  fs::create_directories(unfinished, error);
  if (error) return not_made(unfinished, error);
  std::vector<std::string> files;
  for (auto& member : zip.members()) {
    if (is_file_of(member, archive.member)) files.push_back(std::move(member));
  }
  if (files.size() != archive.num_files)
    return Error{ErrorCode::kCorrupt, std::string(archive.url) + ": has " + std::to_string(files.size()) +
                                          " files in " + std::string(archive.member) + ", expected " +
                                          std::to_string(archive.num_files)};
  for (std::size_t i = 0; i < files.size(); ++i) {
    progress.update("unpacking", static_cast<std::int64_t>(i), static_cast<std::int64_t>(files.size()));
    const fs::path path = unfinished / files[i].substr(archive.member.size());
    std::ofstream out(path, std::ios::binary);
    ASSAY_RETURN_IF_ERROR(zip.read(files[i], [&](ByteView bytes) -> Status {
      out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      return {};
    }));
    out.close();
    if (!out) return Error{ErrorCode::kIo, path.string() + ": cannot be written; is the disk full?"};
  }
  progress.update("unpacking", static_cast<std::int64_t>(files.size()),
                  static_cast<std::int64_t>(files.size()));
  // Once for all files: that each is durable before the folder gets its name.
  if (const int fd = ::open(unfinished.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::syncfs(fd);
    ::close(fd);
  }
  return rename_into_place(unfinished, to);
}

}  // namespace

Result<FetchReport> fetch_web_model(const RegisteredModel& model, const fs::path& models,
                                    const HttpOptions& http, Progress& progress) {
  const fs::path path = models / model.file;
  std::error_code error;
  if (fs::exists(path, error)) {
    ASSAY_TRY(const std::string found, sha256_of_file(path));
    if (found == model.sha256) return FetchReport{path, true};
  }
  ASSAY_TRY(const FileLock lock, lock_for(path));
  const fs::path partial = path.string() + ".partial";
  ASSAY_RETURN_IF_ERROR(
      download(std::string(model.url), partial, model.num_bytes, model.sha256, http, progress));
  ASSAY_RETURN_IF_ERROR(rename_into_place(partial, path));
  return FetchReport{path, false};
}

Result<FetchReport> fetch_web_archive(const RegisteredArchive& archive, const fs::path& models,
                                      const HttpOptions& http, Progress& progress) {
  const fs::path target = models / archive.target;
  std::error_code error;
  if (fs::exists(target, error)) return FetchReport{target, true};
  ASSAY_TRY(const FileLock lock, lock_for(target));
  const fs::path partial = target.string() + ".zip.partial";
  ASSAY_RETURN_IF_ERROR(
      download(std::string(archive.url), partial, archive.num_bytes, archive.sha256, http, progress));
  {
    ASSAY_TRY(const ZipArchive zip, ZipArchive::open(partial));
    if (archive.member.ends_with('/')) {
      ASSAY_RETURN_IF_ERROR(unpack_folder(zip, archive, target, progress));
    } else {
      ASSAY_RETURN_IF_ERROR(unpack_file(zip, std::string(archive.member), target));
    }
  }
  fs::remove(partial, error);
  return FetchReport{target, false};
}

std::string picture_file(std::int32_t number) {
  const std::string digits = std::to_string(number);
  return std::string(12 - digits.size(), '0') + digits + ".jpg";
}

Result<FetchReport> fetch_web_pictures(const RegisteredWebPictures& set, const fs::path& models,
                                       const HttpOptions& http, Progress& progress) {
  const fs::path folder = models / set.target;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return not_made(folder, error);
  FetchReport report{folder, true};
  for (std::size_t i = 0; i < set.numbers.size(); ++i) {
    progress.update("fetching", static_cast<std::int64_t>(i), static_cast<std::int64_t>(set.numbers.size()));
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const fs::path path = folder / picture_file(set.numbers[i]);
    if (fs::exists(path, error)) continue;
    report.was_present = false;
    const std::string url = std::string(set.url) + "/" + picture_file(set.numbers[i]);
    ASSAY_TRY(const std::string picture, http_get(url, kMaxPictureBytes, http));
    if (!picture.starts_with("\xff\xd8") || !picture.ends_with("\xff\xd9"))
      return Error{ErrorCode::kCorrupt, url + ": is no whole JPEG picture"};
    ASSAY_RETURN_IF_ERROR(write_file_atomically(path, picture));
  }
  progress.update("fetching", static_cast<std::int64_t>(set.numbers.size()),
                  static_cast<std::int64_t>(set.numbers.size()));
  return report;
}

}  // namespace assay
