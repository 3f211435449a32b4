#include "flow/convert_detector.h"

#include "base/atomic_file.h"
#include "engine/checkpoint.h"
#include "formats/tflite/model.h"

namespace assay {

Result<DetectorConversion> convert_detector_folder(const std::filesystem::path& folder,
                                                   const std::filesystem::path& output,
                                                   detect::InputSize size) {
  ASSAY_TRY(const Checkpoint checkpoint, open_checkpoint(folder));
  auto model = detect::convert_detector(checkpoint.config_json, checkpoint.tensors, size);
  if (!model) return model.error().with_context(folder.string());
  DetectorConversion result;
  for (const auto& [name, view] : checkpoint.tensors) result.checkpoint_bytes += view.bytes.size();
  result.operators = model->main().operators.size();
  auto bytes = tflite::write(*model);
  if (!bytes) return bytes.error().with_context(output.string());
  result.file_bytes = bytes->size();
  ASSAY_RETURN_IF_ERROR(write_file_atomically(output, as_text(*bytes)));
  return result;
}

}  // namespace assay
