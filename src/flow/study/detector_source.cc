#include "flow/study/detector_source.h"

#include <chrono>

#include "base/elapsed.h"
#include "engine/checkpoint.h"
#include "flow/convert_detector.h"
#include "flow/inspect_tflite.h"
#include "flow/model_registry.h"
#include "flow/study/model_digest.h"
#include "flow/study/study_context.h"

namespace assay {

namespace fs = std::filesystem;

Result<DetectorSource> DetectorSource::open(const DetectorSpec& spec, const fs::path& models) {
  DetectorSource source;
  ASSAY_TRY(const fs::path path, resolve_model(spec.model));
  ASSAY_TRY(source.digest_, digest_of_model(path));
  std::error_code error;
  if (fs::is_directory(path, error)) {
    source.checkpoint_ = path;
    source.size_ = spec.size;
    ASSAY_RETURN_IF_ERROR(source.look_into_checkpoint());
    source.file_ = models / (spec.name + "-float32-" + settings_id(source.settings()) + ".tflite");
    return source;
  }
  ASSAY_TRY(const TfliteInspection inspection, inspect_tflite(path));
  source.file_ = path;
  source.weight_type_ = inspection.weight_type;
  source.float_bytes_ = inspection.parameters * sizeof(float);
  source.stored_bytes_ = fs::file_size(path, error);
  return source;
}

Status DetectorSource::look_into_checkpoint() {
  ASSAY_TRY(const Checkpoint checkpoint, open_checkpoint(checkpoint_));
  for (const auto& [name, view] : checkpoint.tensors) {
    const std::uint64_t values = view.bytes.size() / info(view.dtype).block_bytes;
    // Counters of the training are integers.
    if (!is_weight_dtype(view.dtype)) continue;
    float_bytes_ += values * sizeof(float);
    stored_bytes_ += view.bytes.size();
    const std::string type = view.dtype == DType::kF32   ? "float32"
                             : view.dtype == DType::kF16 ? "float16"
                                                         : std::string(info(view.dtype).name);
    weight_type_ = weight_type_.empty() || weight_type_ == type ? type : "mixed";
  }
  return {};
}

store::Json DetectorSource::settings() const {
  store::Json settings{{"source", digest_}};
  if (is_checkpoint()) settings["size"] = size_;
  return settings;
}

Result<double> DetectorSource::provide() const {
  std::error_code error;
  if (!is_checkpoint() || fs::exists(file_, error)) return 0.0;
  const auto start = std::chrono::steady_clock::now();
  ASSAY_TRY(const DetectorInput input, parse_detector_input(size_));
  fs::create_directories(file_.parent_path(), error);
  ASSAY_TRY(const DetectorConversion conversion, convert_detector_folder(checkpoint_, file_, input));
  static_cast<void>(conversion);
  return seconds_since(start);
}

}  // namespace assay
