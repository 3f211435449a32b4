#include "quant/tflite/range_estimators.h"

namespace assay::tflite {

void MovingAverageRange::update(Range batch) {
  if (!range_) {
    range_ = batch;
    return;
  }
  const auto blend = [&](float old_value, float new_value) {
    return static_cast<float>(momentum_ * static_cast<double>(old_value) +
                              (1 - momentum_) * static_cast<double>(new_value));
  };
  range_ = Range{blend(range_->min, batch.min), blend(range_->max, batch.max)};
}

}  // namespace assay::tflite
