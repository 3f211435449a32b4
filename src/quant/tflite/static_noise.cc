#include "quant/tflite/static_noise.h"

#include <cmath>
#include <limits>

#include "quant/tflite/float_region.h"
#include "quant/tflite/weights.h"

namespace assay::tflite {
namespace {

double mean_square(const Model& model, const Tensor& constant) {
  const auto values = Data::borrow(model.data(constant)).values<float>();
  if (values.empty()) return 0;
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

class NoiseModel {
 public:
  NoiseModel(const Model& model, const ActivationRanges& ranges, const StaticPlan& plan)
      : model_(model),
        graph_(model.main()),
        ranges_(ranges),
        plan_(plan),
        noise_(graph_.tensors.size(), -1.0) {}

  std::vector<double> run();

 private:
  const Tensor& tensor(int index) const { return graph_.tensors[static_cast<std::size_t>(index)]; }
  bool is_activation(int index) const {
    return index >= 0 && tensor(index).type == TensorType::kFloat32 && !model_.is_constant(tensor(index));
  }
  double rounding(int index) const;
  double mean_square_of(int index) const;
  double noise(int index) const;
  double output_noise(const Operator& op) const;
  double product_noise(const Operator& op) const;
  double snr(const Operator& op) const;

  const Model& model_;
  const Subgraph& graph_;
  const ActivationRanges& ranges_;
  const StaticPlan& plan_;
  std::vector<double> noise_;  // by tensor; negative: not computed, so it is rounded where it is read
};

double NoiseModel::rounding(int index) const {
  const auto& own = plan_.own[static_cast<std::size_t>(index)];
  return own ? static_cast<double>(own->scale) * static_cast<double>(own->scale) / 12 : 0;
}

double NoiseModel::mean_square_of(int index) const {
  if (index >= 0 && model_.is_constant(tensor(index))) return mean_square(model_, tensor(index));
  const auto& range = index >= 0 ? ranges_[static_cast<std::size_t>(index)] : std::nullopt;
  return range ? static_cast<double>(range->rms) * static_cast<double>(range->rms) : 0;
}

double NoiseModel::noise(int index) const {
  if (!is_activation(index)) return 0;
  const double known = noise_[static_cast<std::size_t>(index)];
  return known < 0 ? rounding(index) : known;
}

double NoiseModel::product_noise(const Operator& op) const {
  return noise(op.inputs[0]) * mean_square_of(op.inputs[1]) +
         noise(op.inputs[1]) * mean_square_of(op.inputs[0]);
}

double NoiseModel::output_noise(const Operator& op) const {
  const int output = op.outputs[0];
  const ScaleRule rule = kernel_rule(op.op, Activations::kInt8)->rule;
  if (rule == ScaleRule::kWeighted || rule == ScaleRule::kFixed) return rounding(output);
  if (op.op == Op::kMul && op.inputs.size() == 2) return product_noise(op) + rounding(output);
  double sum = 0;
  int count = 0;
  for (const std::int32_t input : op.inputs) {
    if (!is_activation(input)) continue;
    sum += noise(input);
    ++count;
  }
  if (rule != ScaleRule::kSame) return sum + rounding(output);
  return count > 1 ? sum / count + rounding(output) : sum;
}

double NoiseModel::snr(const Operator& op) const {
  const WeightedOp roles = *weighted_op(op.op);
  const Tensor& weights = tensor(op.inputs[roles.weights]);
  const auto channels = weights.shape[static_cast<std::size_t>(roles.dimension)];
  const auto values = static_cast<double>(model_.data(weights).size() / sizeof(float));
  const double gain = mean_square(model_, weights) * values / channels;
  const double signal = mean_square_of(op.outputs[0]);
  const double noise_here = gain * noise(op.inputs[roles.input]);
  if (!(signal > 0) || !(noise_here > 0)) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise_here);
}

std::vector<double> NoiseModel::run() {
  std::vector<double> result(graph_.operators.size(), std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
    if (!plan_.quantized[i]) continue;
    const Operator& op = graph_.operators[i];
    if (kernel_rule(op.op, Activations::kInt8)->rule == ScaleRule::kWeighted) result[i] = snr(op);
    const double here = output_noise(op);
    for (const std::int32_t output : op.outputs) noise_[static_cast<std::size_t>(output)] = here;
  }
  return result;
}

}  // namespace

std::vector<double> predicted_snr(const Model& model, const ActivationRanges& ranges,
                                  const StaticPlan& plan) {
  return NoiseModel(model, ranges, plan).run();
}

std::vector<bool> too_noisy(const Model& model, const std::vector<double>& snr, double least_decibels) {
  std::vector<bool> noisy(snr.size());
  for (std::size_t i = 0; i < snr.size(); ++i) noisy[i] = snr[i] < least_decibels;
  return float_region(model, noisy);
}

}  // namespace assay::tflite
