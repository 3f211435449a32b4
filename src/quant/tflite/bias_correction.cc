#include "quant/tflite/bias_correction.h"

#include <algorithm>
#include <cmath>

namespace assay::tflite {
namespace {

// Which input channel a weight multiplies, and which output channel gets the product.
struct Channels {
  std::size_t input = 0;
  std::size_t output = 0;
};

class WeightOrder {
 public:
  WeightOrder(Op op, std::span<const std::int32_t> shape, std::size_t weights, std::size_t inputs)
      : depthwise_(op == Op::kDepthwiseConv2d), inputs_(inputs) {
    outputs_ = static_cast<std::size_t>(depthwise_ ? shape.back() : shape.front());
    row_ = outputs_ == 0 ? 0 : weights / outputs_;
    if (inputs == 0 || outputs_ == 0) return;
    // Of a flattened picture, the channels come again and again.
    known_ = depthwise_ ? outputs_ % inputs == 0
             : op == Op::kFullyConnected
                 ? row_ % inputs == 0
                 : op == Op::kConv2d && static_cast<std::size_t>(shape.back()) == inputs;
  }
  bool known() const { return known_; }
  std::size_t outputs() const { return outputs_; }
  Channels of(std::size_t weight) const {
    if (depthwise_) return {weight % outputs_ / (outputs_ / inputs_), weight % outputs_};
    return {weight % inputs_, weight / row_};
  }

 private:
  bool depthwise_;
  bool known_ = false;
  std::size_t inputs_, outputs_, row_;
};

}  // namespace

std::vector<double> mean_shift(Op op, std::span<const float> values, std::span<const std::int32_t> shape,
                               const QuantizedWeights& rounded, std::span<const float> channel_means) {
  const WeightOrder order(op, shape, values.size(), channel_means.size());
  if (!order.known()) return {};
  std::vector<double> shift(order.outputs());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Channels channels = order.of(i);
    const double scale = static_cast<double>(rounded.scale[channels.output]);
    const double error = static_cast<double>(values[i]) - scale * static_cast<double>(rounded.values[i]);
    shift[channels.output] += error * static_cast<double>(channel_means[channels.input]);
  }
  const bool finite = std::all_of(shift.begin(), shift.end(), [](double s) { return std::isfinite(s); });
  return finite ? shift : std::vector<double>{};
}

}  // namespace assay::tflite
