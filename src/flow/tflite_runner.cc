#include "flow/tflite_runner.h"

namespace assay {

Result<CheckedTflite> CheckedTflite::open(const std::filesystem::path& path) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  auto owner = std::make_shared<const MappedFile>(std::move(file));
  const ByteView view = owner->bytes();
  auto model = tflite::parse(view);
  if (!model) return model.error().with_context(path.string());
  return CheckedTflite(path, std::move(owner), nullptr, view, *std::move(model));
}

void CheckedTflite::release_pages() const {
  if (file_) file_->release(bytes_);
}

Result<CheckedTflite> CheckedTflite::from_bytes(const std::filesystem::path& path,
                                                std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const ByteView view(*owner);
  auto model = tflite::parse(view);
  if (!model) return model.error().with_context(path.string());
  return CheckedTflite(path, nullptr, std::move(owner), view, *std::move(model));
}

Result<litert::Runner> CheckedTflite::run_with(std::shared_ptr<const litert::Library> library,
                                               const litert::RunnerOptions& options) const {
  auto runner = litert::Runner::from_bytes(std::move(library), bytes_, options);
  if (!runner) return runner.error().with_context(path_.string());
  return runner;
}

}  // namespace assay
