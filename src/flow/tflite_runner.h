// From a .tflite file on disk to a model that runs.
#pragma once
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "detect/litert/runner.h"
#include "formats/tflite/model.h"

namespace assay {

// A model whose every offset has been checked, so that the runtime may trust it. Copies share the bytes.
class CheckedTflite {
 public:
  // Errors, starting with the path: kNotFound, kIo, and those of tflite::parse.
  static Result<CheckedTflite> open(const std::filesystem::path& path);
  // A model that was made in memory; `path` is what messages call it. Errors: those of tflite::parse.
  static Result<CheckedTflite> from_bytes(const std::filesystem::path& path, std::vector<std::byte> bytes);

  const std::filesystem::path& path() const { return path_; }
  ByteView bytes() const { return bytes_; }
  // The graph, which borrows those bytes.
  const tflite::Model& model() const { return *model_; }
  // Lets the system take back the memory of a file's bytes, which stay readable. Nothing for a model made in
  // memory.
  void release_pages() const;
  // The bytes stay mapped as long as the runner's holder keeps this object or a copy of it. Errors start with
  // the path; see Runner::from_bytes.
  Result<litert::Runner> run_with(std::shared_ptr<const litert::Library> library,
                                  const litert::RunnerOptions& options) const;

 private:
  CheckedTflite(std::filesystem::path path, std::shared_ptr<const MappedFile> file,
                std::shared_ptr<const std::vector<std::byte>> memory, ByteView bytes, tflite::Model model)
      : path_(std::move(path)),
        file_(std::move(file)),
        memory_(std::move(memory)),
        bytes_(bytes),
        model_(std::make_shared<const tflite::Model>(std::move(model))) {}
  std::filesystem::path path_;
  // One of them owns the bytes.
  std::shared_ptr<const MappedFile> file_;
  std::shared_ptr<const std::vector<std::byte>> memory_;
  ByteView bytes_;
  std::shared_ptr<const tflite::Model> model_;
};

}  // namespace assay
