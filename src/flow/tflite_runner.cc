#include "flow/tflite_runner.h"

#include "formats/tflite/model.h"

namespace assay {

Result<CheckedTflite> CheckedTflite::open(const std::filesystem::path& path) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  if (const auto model = tflite::parse(file.bytes()); !model)
    return model.error().with_context(path.string());
  return CheckedTflite(path, std::move(file));
}

Result<litert::Runner> CheckedTflite::run_with(std::shared_ptr<const litert::Library> library,
                                               const litert::RunnerOptions& options) const {
  auto runner = litert::Runner::from_bytes(std::move(library), file_->bytes(), options);
  if (!runner) return runner.error().with_context(path_.string());
  return runner;
}

}  // namespace assay
