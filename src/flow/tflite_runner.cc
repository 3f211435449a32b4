#include "flow/tflite_runner.h"

#include "formats/tflite/model.h"

namespace assay {

Result<CheckedTflite> CheckedTflite::open(const std::filesystem::path& path) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  if (const auto model = tflite::parse(file.bytes()); !model)
    return model.error().with_context(path.string());
  auto owner = std::make_shared<const MappedFile>(std::move(file));
  const ByteView view = owner->bytes();
  return CheckedTflite(path, std::move(owner), nullptr, view);
}

void CheckedTflite::release_pages() const {
  if (file_) file_->release(bytes_);
}

Result<CheckedTflite> CheckedTflite::from_bytes(const std::filesystem::path& path,
                                                std::vector<std::byte> bytes) {
  if (const auto model = tflite::parse(bytes); !model) return model.error().with_context(path.string());
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const ByteView view(*owner);
  return CheckedTflite(path, nullptr, std::move(owner), view);
}

Result<litert::Runner> CheckedTflite::run_with(std::shared_ptr<const litert::Library> library,
                                               const litert::RunnerOptions& options) const {
  auto runner = litert::Runner::from_bytes(std::move(library), bytes_, options);
  if (!runner) return runner.error().with_context(path_.string());
  return runner;
}

}  // namespace assay
