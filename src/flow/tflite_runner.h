// From a .tflite file on disk to a model that runs.
#pragma once
#include <filesystem>
#include <memory>

#include "base/mapped_file.h"
#include "base/result.h"
#include "detect/litert/runner.h"

namespace assay {

// A file whose every offset has been checked, so that the runtime may trust it.
class CheckedTflite {
 public:
  // Errors, starting with the path: kNotFound, kIo, and those of tflite::parse.
  static Result<CheckedTflite> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  ByteView bytes() const { return file_->bytes(); }
  // The bytes stay mapped as long as the runner's holder keeps this object or a copy of it. Errors start with
  // the path; see Runner::from_bytes.
  Result<litert::Runner> run_with(std::shared_ptr<const litert::Library> library,
                                  const litert::RunnerOptions& options) const;

 private:
  CheckedTflite(std::filesystem::path path, MappedFile file)
      : path_(std::move(path)), file_(std::make_shared<MappedFile>(std::move(file))) {}
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
};

}  // namespace assay
