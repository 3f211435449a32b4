// A detector as a whole: picture in, boxes out.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "detect/heads/class_map.h"
#include "detect/heads/decode.h"
#include "detect/heads/head_kind.h"
#include "flow/picture_input.h"
#include "flow/tflite_runner.h"
#include "image/image.h"

namespace assay {

struct DetectorOptions {
  int threads = 1;                       // of the inference, >= 1
  std::string head;                      // as head_from_name; empty: from the shapes of the outputs
  std::string classes;                   // as class_map_from_name; empty: from head and number of classes
  std::optional<float> score_threshold;  // instead of the family's for evaluation
};

// Of one picture, in seconds.
struct DetectionTimes {
  double preprocess = 0;  // resize, normalize, copy in; decoding of the file is not part of it
  double inference = 0;
  double postprocess = 0;  // copy out, dequantize, decode the head, suppress
};

struct PictureDetections {
  std::vector<detect::Detection> detections;  // best first
  DetectionTimes times;
};

// Not thread safe; movable.
class Detector {
 public:
  // Errors start with the model's path: kInvalidArgument (threads, names), kUnsupported (not one picture as
  // input, outputs of no known family), those of the runtime.
  static Result<Detector> create(const CheckedTflite& model, std::shared_ptr<const litert::Library> library,
                                 const DetectorOptions& options);

  Result<PictureDetections> detect(const Image& picture);

  detect::HeadKind head() const { return head_; }
  const detect::ClassMap& classes() const { return classes_; }
  // What becomes of a picture before the model sees it.
  const PictureInput& input() const { return input_; }
  const litert::Runner& runner() const { return runner_; }

 private:
  Detector(CheckedTflite model, litert::Runner runner)
      : model_(std::move(model)), runner_(std::move(runner)) {}
  Status configure(const DetectorOptions& options);

  CheckedTflite model_;  // keeps the bytes that the runner reads
  litert::Runner runner_;
  detect::HeadKind head_ = detect::HeadKind::kYolox;
  detect::HeadOptions head_options_;
  detect::ClassMap classes_;
  PictureInput input_;
};

}  // namespace assay
