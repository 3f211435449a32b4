// The model of a study's detector: a .tflite file, or a checkpoint that one is made of.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "flow/study/study_spec.h"
#include "store/record.h"

namespace assay {

class DetectorSource {
 public:
  DetectorSource() = default;
  // `models`: the study's folder for files of models. Writes nothing. Errors: those of resolve_model, inspect_tflite and
  // open_checkpoint.
  static Result<DetectorSource> open(const DetectorSpec& spec, const std::filesystem::path& models);

  bool is_checkpoint() const { return !checkpoint_.empty(); }
  const std::string& digest() const { return digest_; }
  const std::string& weight_type() const { return weight_type_; }  // "float32", "mixed", ...
  std::uint64_t float_bytes() const { return float_bytes_; }       // of the weights as float32
  std::uint64_t stored_bytes() const { return stored_bytes_; }     // of what it was given as
  // What the files made of it depend on.
  store::Json settings() const;

  // The .tflite file. Of a checkpoint it is there after provide().
  const std::filesystem::path& file() const { return file_; }
  // Converts the checkpoint unless that was done before. Seconds that it took. Errors: those of
  // convert_detector_folder.
  Result<double> provide() const;

 private:
  Status look_into_checkpoint();

  std::filesystem::path checkpoint_, file_;
  std::string size_, digest_, weight_type_;
  std::uint64_t float_bytes_ = 0, stored_bytes_ = 0;
};

}  // namespace assay
