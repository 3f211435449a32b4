#include "quant/tflite/static.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "formats/tflite/fuse_activations.h"
#include "quant/tflite/attention.h"
#include "quant/tflite/bias_correction.h"
#include "quant/tflite/constants.h"
#include "quant/tflite/space_to_depth.h"
#include "quant/tflite/static_noise.h"
#include "quant/tflite/static_plan.h"
#include "quant/tflite/weights.h"

namespace assay::tflite {
namespace {

// A bias beyond this in units of its scale would leave no room for the products in the sum, of which the
// kernels use 32 bits for int8 and 48 for int16.
double largest_bias(Activations activations) { return activations == Activations::kInt8 ? 0x1p30 : 0x1p46; }

template <typename Code>
std::vector<Code> round_all(const std::vector<float>& values, ScaleParams params) {
  std::vector<Code> codes;
  for (const float value : values) {
    const float code = std::round(value / params.scale) + static_cast<float>(params.zero_point);
    codes.push_back(std::isnan(code)
                        ? Code{0}
                        : static_cast<Code>(std::clamp<float>(code, std::numeric_limits<Code>::min(),
                                                              std::numeric_limits<Code>::max())));
  }
  return codes;
}

template <typename Code>
Data round_bias(const std::vector<float>& values, const std::vector<float>& scale, double limit) {
  std::vector<Code> codes(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double code = std::round(static_cast<double>(values[i]) / static_cast<double>(scale[i]));
    codes[i] = std::isnan(code) ? Code{0} : static_cast<Code>(std::clamp(code, -limit, limit));
  }
  return Data::own_values(codes);
}

// Writes the operators anew, with what the plan says; what stands between int8 and float comes in where
// needed.
class Rewriter {
 public:
  Rewriter(Model& model, const ActivationRanges& ranges, const StaticPlan& plan, const StaticOptions& options,
           StaticReport& report)
      : model_(model),
        graph_(model.main()),
        original_(graph_),
        ranges_(ranges),
        plan_(plan),
        options_(options),
        report_(report) {}

  void run();

 private:
  Tensor& tensor(int index) { return graph_.tensors[static_cast<std::size_t>(index)]; }
  const Tensor& original(int index) const { return original_.tensors[static_cast<std::size_t>(index)]; }
  int add_tensor(Tensor added);
  void set_params(Tensor& target, ScaleParams params);
  bool is_int8() const { return options_.activations == Activations::kInt8; }
  TensorType type() const { return is_int8() ? TensorType::kInt8 : TensorType::kInt16; }
  const char* suffix() const { return is_int8() ? "/int8" : "/int16"; }
  // A tensor quantized with those parameters, or as float: itself, or what an inserted operator gives.
  int as_quantized(int index, ScaleParams params);
  int as_float(int index);
  int constant_quantized(int index, ScaleParams params);
  void convert(Op op, int from, int to);
  void quantize(Operator op);
  void quantize_weighted(Operator& op);
  bool clamps_as_quantize(const Operator& op) const;
  std::vector<float> corrected_bias(const Operator& op, const WeightedOp& roles,
                                    const QuantizedWeights& weights);
  int bias(int index, const std::vector<float>& values, float input_scale,
           const std::vector<float>& weight_scale);
  int weights(int index, const QuantizedWeights& quantized, int dimension);
  void raise_for_bias(int bias_index, float input_scale, std::vector<float>& scale) const;
  void finish_outputs();

  Model& model_;
  Subgraph& graph_;
  const Subgraph original_;
  const ActivationRanges& ranges_;
  const StaticPlan& plan_;
  const StaticOptions& options_;
  StaticReport& report_;
  std::vector<Operator> operators_;
  std::map<std::pair<int, ScaleParams>, int> quantized_;
  std::map<int, int> float_;
  std::map<std::pair<int, std::vector<float>>, int> weights_;
};

int Rewriter::add_tensor(Tensor added) {
  graph_.tensors.push_back(std::move(added));
  return static_cast<int>(graph_.tensors.size()) - 1;
}

void Rewriter::set_params(Tensor& target, ScaleParams params) {
  target.type = type();
  target.quantization = {};
  target.quantization.scale = {params.scale};
  target.quantization.zero_point = {params.zero_point};
}

void Rewriter::convert(Op kind, int from, int to) {
  Operator op;
  op.op = kind;
  op.version = is_int8() || kind == Op::kQuantize ? 2 : 3;
  op.inputs = {from};
  op.outputs = {to};
  operators_.push_back(std::move(op));
  ++report_.transitions;
}

int Rewriter::constant_quantized(int index, ScaleParams params) {
  Tensor constant = original(index);
  const auto values = Data::borrow(model_.data(constant)).values<float>();
  set_params(constant, params);
  model_.set_data(constant, is_int8() ? Data::own_values(round_all<std::int8_t>(values, params))
                                      : Data::own_values(round_all<std::int16_t>(values, params)));
  ++report_.conversion.converted;
  return add_tensor(std::move(constant));
}

int Rewriter::as_quantized(int index, ScaleParams params) {
  if (tensor(index).type == type() && plan_.own[static_cast<std::size_t>(index)] == params) return index;
  const auto found = quantized_.find({index, params});
  if (found != quantized_.end()) return found->second;
  int result;
  if (model_.is_constant(original(index))) {
    result = constant_quantized(index, params);
  } else {
    Tensor copy = original(index);
    copy.name += suffix();
    set_params(copy, params);
    result = add_tensor(std::move(copy));
    convert(Op::kQuantize, index, result);
  }
  quantized_[{index, params}] = result;
  return result;
}

int Rewriter::as_float(int index) {
  if (index < 0 || tensor(index).type != type() || original(index).type == type()) return index;
  const auto found = float_.find(index);
  if (found != float_.end()) return found->second;
  Tensor copy = original(index);
  // The outputs' names are part of what a model promises, so the float tensor keeps it.
  const bool is_output =
      std::find(graph_.outputs.begin(), graph_.outputs.end(), index) != graph_.outputs.end();
  (is_output && !options_.int8_io ? tensor(index).name : copy.name) +=
      is_output && !options_.int8_io ? suffix() : "/float";
  const int result = add_tensor(std::move(copy));
  convert(Op::kDequantize, index, result);
  return float_[index] = result;
}

// Where a bias would not fit, its channel gets a coarser scale.
void Rewriter::raise_for_bias(int bias_index, float input_scale, std::vector<float>& scale) const {
  if (bias_index < 0) return;
  const auto values = Data::borrow(model_.data(original(bias_index))).values<float>();
  for (std::size_t i = 0; i < std::min(values.size(), scale.size()); ++i) {
    const double least = std::fabs(static_cast<double>(values[i])) / static_cast<double>(input_scale) /
                         largest_bias(options_.activations);
    if (std::isfinite(least)) scale[i] = std::max(scale[i], static_cast<float>(least));
  }
}

// The operator's bias, and what makes up for the mean of what the rounding of its weights does.
std::vector<float> Rewriter::corrected_bias(const Operator& op, const WeightedOp& roles,
                                            const QuantizedWeights& weights) {
  auto bias = Data::borrow(model_.data(original(op.inputs[roles.bias]))).values<float>();
  const auto& range = ranges_[static_cast<std::size_t>(op.inputs[roles.input])];
  if (!options_.correct_biases || !range) return bias;
  const Tensor& source = original(op.inputs[roles.weights]);
  const auto shift = mean_shift(op.op, Data::borrow(model_.data(source)).values<float>(), source.shape,
                                weights, range->channel_means);
  for (std::size_t i = 0; i < shift.size(); ++i)
    bias[i] = static_cast<float>(static_cast<double>(bias[i]) + shift[i]);
  if (!shift.empty()) ++report_.corrected_biases;
  return bias;
}

int Rewriter::bias(int index, const std::vector<float>& values, float input_scale,
                   const std::vector<float>& weight_scale) {
  Tensor tensor = original(index);
  tensor.quantization = {};
  for (std::size_t i = 0; i < values.size(); ++i) {
    tensor.quantization.scale.push_back(input_scale * weight_scale[i]);
    tensor.quantization.zero_point.push_back(0);
  }
  const auto& scale = tensor.quantization.scale;
  const double limit = largest_bias(options_.activations);
  tensor.type = is_int8() ? TensorType::kInt32 : TensorType::kInt64;
  model_.set_data(tensor, is_int8() ? round_bias<std::int32_t>(values, scale, limit)
                                    : round_bias<std::int64_t>(values, scale, limit));
  return add_tensor(std::move(tensor));
}

int Rewriter::weights(int index, const QuantizedWeights& quantized, int dimension) {
  // Heads that share their weights go on sharing them.
  const auto [found, inserted] = weights_.try_emplace({index, quantized.scale}, -1);
  if (inserted) {
    found->second = add_int8_constant(model_, graph_, original(index), quantized, dimension);
    ++report_.conversion.converted;
  }
  return found->second;
}

void Rewriter::quantize_weighted(Operator& op) {
  const WeightedOp roles = *weighted_op(op.op);
  const int input = op.inputs[roles.input];
  const ScaleParams params = *plan_.own[static_cast<std::size_t>(input)];
  const int weight_index = op.inputs[roles.weights];
  const int bias_index = op.inputs.size() > roles.bias ? op.inputs[roles.bias] : -1;
  const Tensor& source = original(weight_index);
  const auto values = Data::borrow(model_.data(source)).values<float>();
  QuantizedWeights quantized = quantize_weights(values, source.shape, roles.dimension);
  const auto scale = quantized.scale;
  raise_for_bias(bias_index, params.scale, quantized.scale);
  if (quantized.scale != scale)
    quantized.values = round_weights(values, source.shape, roles.dimension, quantized.scale);
  if (bias_index >= 0)
    op.inputs[roles.bias] =
        bias(bias_index, corrected_bias(op, roles, quantized), params.scale, quantized.scale);
  op.inputs[roles.input] = as_quantized(input, params);
  op.inputs[roles.weights] = weights(weight_index, quantized, roles.dimension);
}

// Whether the ends of the output's scale are those of the activation, so that saturation does all the work.
bool Rewriter::clamps_as_quantize(const Operator& op) const {
  if (!is_int8() || (op.op != Op::kRelu && op.op != Op::kRelu6)) return false;
  const ScaleParams params = *plan_.own[static_cast<std::size_t>(op.outputs[0])];
  constexpr float kSix = 6.0001f;
  return params.zero_point == -128 && (op.op == Op::kRelu || 255 * params.scale <= kSix);
}

void Rewriter::quantize(Operator op) {
  const KernelRule rule = *kernel_rule(op.op, options_.activations);
  op.version = std::max(op.version, rule.version);
  ++report_.int8_operators[name_of(op.op)];
  if (rule.rule == ScaleRule::kWeighted) {
    quantize_weighted(op);
  } else {
    const Operator before = op;
    for (auto& input : op.inputs) {
      if (const auto params = plan_.wanted(original_, before, input)) input = as_quantized(input, *params);
    }
  }
  for (const std::int32_t output : op.outputs) {
    if (original(output).type == TensorType::kFloat32)
      set_params(tensor(output), *plan_.own[static_cast<std::size_t>(output)]);
  }
  if (!is_int8() && (op.op == Op::kAdd || op.op == Op::kSub)) {
    // The default of the schema is the older kernel, for scales that are powers of two.
    if (!op.options.declares("pot_scale_int16"))
      op.options = Object::make(op.op == Op::kAdd ? "AddOptions" : "SubOptions");
    op.options.set_integer("pot_scale_int16", 0);
  }
  if (clamps_as_quantize(op)) {
    // XNNPACK takes a change of scale, but no RELU.
    op.op = Op::kQuantize;
    op.version = 2;
    op.options = {};
  }
  operators_.push_back(std::move(op));
}

void Rewriter::finish_outputs() {
  for (auto& output : graph_.outputs) {
    const int before = output;
    const auto& own = plan_.own[static_cast<std::size_t>(output)];
    if (!options_.int8_io) {
      output = as_float(output);
    } else if (tensor(output).type == TensorType::kFloat32 && own) {
      output = as_quantized(output, *own);
    }
    for (Signature& signature : model_.signatures) {
      if (signature.subgraph != 0) continue;
      for (TensorName& name : signature.outputs) {
        if (name.tensor == static_cast<std::uint32_t>(before))
          name.tensor = static_cast<std::uint32_t>(output);
      }
    }
  }
}

void Rewriter::run() {
  if (options_.int8_io) {
    for (const std::int32_t input : graph_.inputs) {
      const auto& own = plan_.own[static_cast<std::size_t>(input)];
      if (original(input).type == TensorType::kFloat32 && own && !model_.is_constant(original(input)))
        set_params(tensor(input), *own);
    }
  }
  for (std::size_t i = 0; i < original_.operators.size(); ++i) {
    Operator op = original_.operators[i];
    if (plan_.quantized[i]) {
      quantize(std::move(op));
      continue;
    }
    for (auto& input : op.inputs) input = as_float(input);
    ++report_.float_operators[op.op == Op::kCustom ? op.custom_code : name_of(op.op)];
    operators_.push_back(std::move(op));
  }
  finish_outputs();
  graph_.operators = std::move(operators_);
}

}  // namespace

Result<Model> prepare_static(const Model& model, StaticReport& report) {
  Model prepared = model;
  ASSAY_RETURN_IF_ERROR(fold_constants(prepared));
  report.conversion.space_to_depth = merge_space_to_depth(prepared);
  report.fused_activations = fuse_activations(prepared);
  return prepared;
}

namespace {

// A product of so few rows, such as a detector's queries, takes no time to speak of, also in float.
constexpr std::int64_t kFewRows = 320;

std::int64_t rows_of(const Subgraph& graph, int tensor) {
  const auto& shape = graph.tensors[static_cast<std::size_t>(tensor)].shape;
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

// What a graph with attention multiplies with weights between float activations, by its output.
std::map<int, Int8Weights> hybrid_products(const Model& model, const StaticPlan& plan,
                                           const StaticOptions& options) {
  std::map<int, Int8Weights> modes;
  if (options.full_integer || options.activations != Activations::kInt8 || !has_attention(model))
    return modes;
  const Subgraph& graph = model.main();
  const auto scores = score_projections(model);
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    const Operator& op = graph.operators[i];
    if (op.op != Op::kFullyConnected || plan.quantized[i] || op.outputs.empty()) continue;
    if (options.keep_float && options.keep_float(operator_label(graph, op))) continue;
    modes[op.outputs[0]] = scores[i] || rows_of(graph, op.outputs[0]) <= kFewRows ? Int8Weights::kWeightOnly
                                                                                  : Int8Weights::kDynamic;
  }
  return modes;
}

}  // namespace

Result<StaticResult> quantize_static(const Model& model, const ActivationRanges& ranges,
                                     const StaticOptions& options) {
  if (ranges.size() != model.main().tensors.size())
    return Error{ErrorCode::kInvalidArgument, "there are ranges for " + std::to_string(ranges.size()) +
                                                  " tensors, but the graph has " +
                                                  std::to_string(model.main().tensors.size())};
  StaticResult result;
  ASSAY_TRY(result.model, prepare_static(model, result.report));
  ActivationRanges finite = ranges;
  for (auto& range : finite) {
    if (range && !(std::isfinite(range->min) && std::isfinite(range->max) && range->min <= range->max))
      range.reset();
  }
  // Merging changed the order of its channels.
  for (const Operator& op : result.model.main().operators) {
    if (op.op != Op::kSpaceToDepth || op.outputs.size() != 1 || op.outputs[0] < 0) continue;
    if (auto& range = finite[static_cast<std::size_t>(op.outputs[0])]) range->channel_means.clear();
  }
  StaticPlan plan = plan_static(result.model, finite, options, {});
  if (options.least_snr > 0 && !options.full_integer) {
    const auto noisy = too_noisy(result.model, predicted_snr(result.model, finite, plan), options.least_snr);
    for (std::size_t i = 0; i < noisy.size(); ++i) {
      if (noisy[i] && plan.quantized[i])
        result.report.too_noisy.push_back(
            operator_label(result.model.main(), result.model.main().operators[i]));
    }
    plan = plan_static(result.model, finite, options, noisy);
  }
  const auto hybrid = hybrid_products(result.model, plan, options);
  if (hybrid.empty() && std::find(plan.quantized.begin(), plan.quantized.end(), true) == plan.quantized.end())
    return Error{
        ErrorCode::kUnsupported,
        "no operator could be quantized (is the model quantized already, or are all kept in float?)"};
  Rewriter(result.model, finite, plan, options, result.report).run();
  result.report.int8_weights = quantize_int8_weights(
      result.model, result.model.main(), [&](const Operator& op) -> std::optional<Int8Weights> {
        const auto found = op.outputs.empty() ? hybrid.end() : hybrid.find(op.outputs[0]);
        return found == hybrid.end() ? std::nullopt : std::optional(found->second);
      });
  result.report.wide_concats = plan.wide_concats;
  remove_unused(result.model);
  return result;
}

Result<std::vector<bool>> tensors_to_observe(const Model& model, const StaticOptions& options) {
  StaticReport report;
  ASSAY_TRY(const Model prepared, prepare_static(model, report));
  const Subgraph& graph = prepared.main();
  // As if all were known: what is quantized then is what can be at most.
  const StaticPlan plan =
      plan_static(prepared, ActivationRanges(graph.tensors.size(), Range{-1, 1}), options, {});
  std::vector<bool> observed(graph.tensors.size(), false);
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    if (!plan.quantized[i]) continue;
    for (const auto* tensors : {&graph.operators[i].inputs, &graph.operators[i].outputs}) {
      for (const std::int32_t tensor : *tensors) {
        if (tensor >= 0) observed[static_cast<std::size_t>(tensor)] = true;
      }
    }
  }
  return observed;
}

}  // namespace assay::tflite
