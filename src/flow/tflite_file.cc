#include "flow/tflite_file.h"

#include "base/atomic_file.h"

namespace assay {

Result<std::uint64_t> write_tflite(const std::filesystem::path& path, const tflite::Model& model) {
  const auto pieces = tflite::write_pieces(model);
  if (!pieces) return pieces.error().with_context(path.string());
  ASSAY_TRY(AtomicFile file, AtomicFile::create(path));
  std::uint64_t bytes = 0;
  for (const tflite::Data& piece : *pieces) {
    ASSAY_RETURN_IF_ERROR(file.write(piece.bytes()));
    bytes += piece.bytes().size();
  }
  ASSAY_RETURN_IF_ERROR(file.commit());
  return bytes;
}

}  // namespace assay
