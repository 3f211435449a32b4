#include "quant/tflite/static_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "quant/tflite/attention.h"
#include "quant/tflite/weights.h"

namespace assay::tflite {
namespace {

constexpr float kWideRatio = 8;
// Probabilities that share a scale with values this much wider lose more than a bit of their 8.
constexpr float kProbabilityRatio = 2;
// A padding value of -infinity or the lowest float stands for "less than all" and needs no level of its own.
constexpr float kPaddingLimit = 1e30f;

float width(Range range) { return std::max(range.max, 0.0f) - std::min(range.min, 0.0f); }
Range join(Range a, Range b) { return {std::min(a.min, b.min), std::max(a.max, b.max)}; }

// Operators whose outputs are values of their inputs in another place.
bool moves_values(Op op) {
  switch (op) {
    case Op::kReshape:
    case Op::kSqueeze:
    case Op::kExpandDims:
    case Op::kTranspose:
    case Op::kConcatenation:
    case Op::kPack:
    case Op::kUnpack:
    case Op::kSlice:
    case Op::kStridedSlice:
    case Op::kSplit:
    case Op::kSplitV:
    case Op::kGather:
    case Op::kGatherNd:
      return true;
    default:
      return false;
  }
}

// By tensor: whether all that is made of it is an output of the graph, or comes to one by being moved.
std::vector<bool> find_ends(const Subgraph& graph, const Uses& uses) {
  std::vector<bool> ends(graph.tensors.size());
  for (std::size_t i = 0; i < ends.size(); ++i) ends[i] = !uses.consumers[i].empty();
  for (const std::int32_t output : graph.outputs) ends[static_cast<std::size_t>(output)] = true;
  const auto is_end = [&](int tensor) { return tensor >= 0 && ends[static_cast<std::size_t>(tensor)]; };
  for (auto op = graph.operators.rbegin(); op != graph.operators.rend(); ++op) {
    if (moves_values(op->op) && std::all_of(op->outputs.begin(), op->outputs.end(), is_end)) continue;
    for (const std::int32_t input : op->inputs) {
      if (input >= 0) ends[static_cast<std::size_t>(input)] = false;
    }
  }
  return ends;
}

// Of an operator that some kernel takes quantized.
ScaleRule rule_of(const Operator& op) { return kernel_rule(op.op, Activations::kInt8)->rule; }

// Tensors that must have one scale.
class Groups {
 public:
  explicit Groups(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
  int root(int tensor) {
    while (parent_[static_cast<std::size_t>(tensor)] != tensor) {
      auto& parent = parent_[static_cast<std::size_t>(tensor)];
      parent = parent_[static_cast<std::size_t>(parent)];
      tensor = parent;
    }
    return tensor;
  }
  void unite(int a, int b) { parent_[static_cast<std::size_t>(root(a))] = root(b); }

 private:
  std::vector<int> parent_;
};

class Planner {
 public:
  Planner(const Model& model, const ActivationRanges& ranges, const StaticOptions& options,
          const std::vector<bool>& forced_float)
      : model_(model),
        graph_(model.main()),
        ranges_(ranges),
        options_(options),
        forced_float_(forced_float),
        levels_(options.activations == Activations::kInt8 ? 256.0f : 65536.0f),
        uses_(find_uses(graph_)),
        groups_(graph_.tensors.size()),
        fixed_(graph_.tensors.size()),
        ends_in_outputs_(find_ends(graph_, uses_)) {}

  StaticPlan run();

 private:
  const Tensor& tensor(int index) const { return graph_.tensors[static_cast<std::size_t>(index)]; }
  bool is_constant(int index) const { return model_.is_constant(tensor(index)); }
  bool is_float(int index) const { return index >= 0 && tensor(index).type == TensorType::kFloat32; }
  // The float inputs of an operator that are computed.
  std::vector<int> activations(const Operator& op) const;
  bool is_possible(const Operator& op, const KernelRule& rule) const;
  bool tensors_are_usable(const Operator& op, const KernelRule& rule) const;
  bool weights_are_usable(const Operator& op) const;
  bool is_worthwhile(const Operator& op, const KernelRule& rule) const;
  bool is_sensitive(const Operator& op, const KernelRule& rule) const;
  bool keeps_precision(const Operator& op);
  std::optional<ScaleParams> common_fixed(const Operator& op) const;
  bool knows_output_scale(const Operator& op, const KernelRule& rule) const;
  void fix_output(const Operator& op, const KernelRule& rule);
  void leave_what_floats_after();
  void unite_groups();
  void find_ranges();
  bool is_quantized_operand(int constant) const;
  std::optional<Range> constant_range(int index) const;
  std::optional<Range> telling_range(const Operator& op, int input) const;
  std::optional<Range> telling_range(const std::vector<int>& members) const;

  const Model& model_;
  const Subgraph& graph_;
  const ActivationRanges& ranges_;
  const StaticOptions& options_;
  const std::vector<bool>& forced_float_;
  const float levels_;
  Uses uses_;
  Groups groups_;
  std::vector<std::optional<ScaleParams>> fixed_;  // by tensor: scales that the operator before dictates
  StaticPlan plan_;
  std::vector<bool> ends_in_outputs_;  // by tensor
  bool has_attention_ = false;
  bool has_layer_norm_ = false;
};

std::vector<int> Planner::activations(const Operator& op) const {
  std::vector<int> result;
  for (const std::int32_t input : op.inputs) {
    if (is_float(input) && !is_constant(input)) result.push_back(input);
  }
  return result;
}

bool Planner::tensors_are_usable(const Operator& op, const KernelRule& rule) const {
  for (const std::int32_t index : op.inputs) {
    if (index < 0) continue;
    const Tensor& input = tensor(index);
    const bool plain = input.type == TensorType::kInt32 || input.type == TensorType::kInt64 ||
                       input.type == TensorType::kBool;
    if (input.is_variable || input.is_sparse() || (!plain && input.type != TensorType::kFloat32))
      return false;
    if (is_float(index) && !is_constant(index) && !ranges_[static_cast<std::size_t>(index)]) return false;
  }
  // Where the inputs say all about the output's scale, it need not have been looked at.
  const bool needs_range = rule.rule == ScaleRule::kWeighted || rule.rule == ScaleRule::kFree;
  for (const std::int32_t index : op.outputs) {
    if (index < 0 || (!is_float(index) && tensor(index).type != TensorType::kBool)) return false;
    if (is_float(index) && needs_range && !ranges_[static_cast<std::size_t>(index)]) return false;
  }
  return !op.outputs.empty() && !activations(op).empty();
}

bool Planner::weights_are_usable(const Operator& op) const {
  const WeightedOp roles = *weighted_op(op.op);
  if (op.inputs.size() <= std::max(roles.weights, roles.input)) return false;
  const int weights = op.inputs[roles.weights];
  if (!is_float(weights) || !is_constant(weights) || is_constant(op.inputs[roles.input])) return false;
  if (tensor(weights).shape.size() != (op.op == Op::kFullyConnected ? 2u : 4u)) return false;
  if (op.op == Op::kFullyConnected && op.options.declares("weights_format") &&
      op.options.integer("weights_format") != 0)
    return false;
  const int bias = op.inputs.size() > roles.bias ? op.inputs[roles.bias] : -1;
  if (bias < 0) return true;
  const auto channels = tensor(weights).shape[static_cast<std::size_t>(roles.dimension)];
  return is_float(bias) && is_constant(bias) && tensor(bias).shape == std::vector<std::int32_t>{channels};
}

bool Planner::is_possible(const Operator& op, const KernelRule& rule) const {
  if (options_.keep_float && options_.keep_float(operator_label(graph_, op))) return false;
  return tensors_are_usable(op, rule) && (rule.rule != ScaleRule::kWeighted || weights_are_usable(op));
}

bool Planner::is_sensitive(const Operator& op, const KernelRule& rule) const {
  if (options_.activations != Activations::kInt8) return false;
  // Products with weights then get int8 weights alone.
  return rule.sensitive || (has_attention_ && (op.op == Op::kSoftmax || op.op == Op::kFullyConnected)) ||
         (has_layer_norm_ && op.op == Op::kMean);
}

// Quantizing what stands between float operators costs time and precision, but for multiplications with
// weights.
bool Planner::is_worthwhile(const Operator& op, const KernelRule& rule) const {
  if (rule.rule == ScaleRule::kWeighted) return true;
  if (rule.slow) return false;
  for (const int input : activations(op)) {
    const bool is_input = uses_.producer[static_cast<std::size_t>(input)] < 0;
    if (!is_input && !plan_.is_quantized(input)) return false;
  }
  return true;
}

// Of a concatenation: whether its inputs can share a scale. Notes those that are of quite different size.
// Where only the graph's outputs come of it, float costs nothing, since those are float in any case.
bool Planner::keeps_precision(const Operator& op) {
  if (op.op != Op::kConcatenation && op.op != Op::kPack) return true;
  float widest = 0, narrowest = INFINITY, probability = INFINITY;
  for (const int input : activations(op)) {
    const float here = width(*ranges_[static_cast<std::size_t>(input)]);
    widest = std::max(widest, here);
    // A tensor of zeros is as narrow as can be and loses nothing.
    if (here > 0) narrowest = std::min(narrowest, here);
    if (const auto& fixed = fixed_[static_cast<std::size_t>(input)])
      probability = std::min(probability, levels_ * fixed->scale);
  }
  const float ratio = widest / std::min(narrowest, probability);
  const float bearable = levels_ / 256;  // times more than of int8
  const bool is_end = ends_in_outputs_[static_cast<std::size_t>(op.outputs[0])];
  const bool matters =
      widest > bearable * kProbabilityRatio * probability || (ratio > bearable * kWideRatio && is_end);
  const bool kept = matters && !options_.full_integer && !(options_.int8_io && is_end);
  if (kept || (widest > 0 && ratio > bearable * kWideRatio))
    plan_.wide_concats.push_back({tensor(op.outputs[0]).name, ratio, kept});
  return !kept;
}

// The fixed scale that all float inputs have, if they do.
std::optional<ScaleParams> Planner::common_fixed(const Operator& op) const {
  std::optional<ScaleParams> common;
  for (const std::int32_t input : op.inputs) {
    if (!is_float(input)) continue;
    const auto& here = fixed_[static_cast<std::size_t>(input)];
    if (!here || (common && *common != *here)) return std::nullopt;
    common = here;
  }
  return common;
}

// Of values that are moved: from their own range, from what is not fixed among the inputs, or from all of
// them.
bool Planner::knows_output_scale(const Operator& op, const KernelRule& rule) const {
  if (rule.rule != ScaleRule::kSame || ranges_[static_cast<std::size_t>(op.outputs[0])] || common_fixed(op))
    return true;
  const auto inputs = activations(op);
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](int input) { return !fixed_[static_cast<std::size_t>(input)]; });
}

// Moving values that have a fixed scale keeps it.
void Planner::fix_output(const Operator& op, const KernelRule& rule) {
  if (rule.rule == ScaleRule::kFixed) {
    fixed_[static_cast<std::size_t>(op.outputs[0])] = ScaleParams{rule.output_scale, rule.output_zero_point};
    return;
  }
  if (rule.rule != ScaleRule::kSame) return;
  const auto common = common_fixed(op);
  for (const std::int32_t output : op.outputs) fixed_[static_cast<std::size_t>(output)] = common;
}

void Planner::unite_groups() {
  for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
    const Operator& op = graph_.operators[i];
    if (!plan_.quantized[i] || rule_of(op) != ScaleRule::kSame) continue;
    if (fixed_[static_cast<std::size_t>(op.outputs[0])]) continue;
    for (const std::int32_t output : op.outputs) groups_.unite(output, op.outputs[0]);
    for (const int input : activations(op)) {
      if (!fixed_[static_cast<std::size_t>(input)]) groups_.unite(input, op.outputs[0]);
    }
  }
}

// Of a constant: whether something reads it with a scale of its own. Weights have theirs by channel.
bool Planner::is_quantized_operand(int constant) const {
  const auto& consumers = uses_.consumers[static_cast<std::size_t>(constant)];
  return std::any_of(consumers.begin(), consumers.end(), [&](int consumer) {
    const auto at = static_cast<std::size_t>(consumer);
    return plan_.quantized[at] && rule_of(graph_.operators[at]) != ScaleRule::kWeighted;
  });
}

std::optional<Range> Planner::constant_range(int index) const {
  std::optional<Range> range;
  for (const float value : Data::borrow(model_.data(tensor(index))).values<float>()) {
    if (!(std::fabs(value) < kPaddingLimit)) continue;
    range = join(range.value_or(Range{value, value}), {value, value});
  }
  return range;
}

// Beyond what range of its input an operator no longer tells values apart.
std::optional<Range> Planner::telling_range(const Operator& op, int input) const {
  if (const auto range = saturation(op.op, options_.activations)) return range;
  // x * logistic(x) is nearly zero where logistic(x) is.
  if (op.op != Op::kMul || op.inputs.size() != 2) return std::nullopt;
  const int other = op.inputs[0] == input ? op.inputs[1] : op.inputs[0];
  const int producer = other < 0 ? -1 : uses_.producer[static_cast<std::size_t>(other)];
  if (producer < 0) return std::nullopt;
  const Operator& logistic = graph_.operators[static_cast<std::size_t>(producer)];
  if (logistic.op != Op::kLogistic || logistic.inputs != std::vector<std::int32_t>{input})
    return std::nullopt;
  return Range{saturation(Op::kLogistic, options_.activations)->min, std::numeric_limits<float>::infinity()};
}

// The same for all that reads these tensors, but for what only moves them.
std::optional<Range> Planner::telling_range(const std::vector<int>& members) const {
  std::optional<Range> all;
  for (const int member : members) {
    if (std::find(graph_.outputs.begin(), graph_.outputs.end(), member) != graph_.outputs.end())
      return std::nullopt;
    for (const int consumer : uses_.consumers[static_cast<std::size_t>(member)]) {
      const Operator& op = graph_.operators[static_cast<std::size_t>(consumer)];
      // Means of clipped values are not clipped means.
      const bool averages = op.op == Op::kAveragePool2d || op.op == Op::kResizeBilinear;
      if (!plan_.quantized[static_cast<std::size_t>(consumer)] || averages) return std::nullopt;
      if (rule_of(op) == ScaleRule::kSame) continue;
      const auto here = telling_range(op, member);
      if (!here) return std::nullopt;
      all = join(all.value_or(*here), *here);
    }
  }
  return all;
}

void Planner::find_ranges() {
  const std::size_t count = graph_.tensors.size();
  std::vector<std::vector<int>> members(count);
  std::vector<std::optional<Range>> range(count);
  const auto widen = [&](int tensor_index, std::optional<Range> more) {
    auto& here = range[static_cast<std::size_t>(groups_.root(tensor_index))];
    if (more) here = join(here.value_or(*more), *more);
  };
  for (int t = 0; t < static_cast<int>(count); ++t) {
    members[static_cast<std::size_t>(groups_.root(t))].push_back(t);
    if (is_float(t) && (!is_constant(t) || is_quantized_operand(t)))
      widen(t, is_constant(t) ? constant_range(t) : ranges_[static_cast<std::size_t>(t)]);
  }
  for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
    const Operator& op = graph_.operators[i];
    if (!plan_.quantized[i] || rule_of(op) != ScaleRule::kSame) continue;
    for (const std::int32_t input : op.inputs) {
      if (is_float(input) && is_constant(input)) widen(op.outputs[0], constant_range(input));
    }
  }
  plan_.own.assign(count, std::nullopt);
  for (std::size_t root = 0; root < count; ++root) {
    Range wanted = range[root].value_or(Range{});
    if (const auto limit = telling_range(members[root])) {
      wanted.min = std::clamp(wanted.min, limit->min, limit->max);
      wanted.max = std::clamp(wanted.max, limit->min, limit->max);
    }
    for (const int member : members[root]) {
      const auto& fixed = fixed_[static_cast<std::size_t>(member)];
      if (fixed || range[root])
        plan_.own[static_cast<std::size_t>(member)] =
            fixed ? *fixed : scale_params(wanted, options_.activations);
    }
  }
}

// Arithmetic without weights between int8 and float operators would round values that come and go in float,
// such as the places that are added to what attention compares.
void Planner::leave_what_floats_after() {
  for (std::size_t i = graph_.operators.size(); i-- > 0;) {
    const Operator& op = graph_.operators[i];
    const auto rule = kernel_rule(op.op, options_.activations);
    if (!plan_.quantized[i] || rule->rule != ScaleRule::kFree || op.outputs.empty()) continue;
    const auto& consumers = uses_.consumers[static_cast<std::size_t>(op.outputs[0])];
    plan_.quantized[i] = std::any_of(consumers.begin(), consumers.end(), [&](int consumer) {
      return plan_.quantized[static_cast<std::size_t>(consumer)];
    });
  }
}

StaticPlan Planner::run() {
  plan_.producer = uses_.producer;
  plan_.quantized.assign(graph_.operators.size(), false);
  has_attention_ = has_attention(model_);
  for (const Operator& op : graph_.operators) {
    has_layer_norm_ = has_layer_norm_ || op.op == Op::kSquaredDifference || op.op == Op::kRsqrt;
  }
  for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
    const Operator& op = graph_.operators[i];
    const auto rule = kernel_rule(op.op, options_.activations);
    if (!rule || !is_possible(op, *rule) || (!forced_float_.empty() && forced_float_[i])) continue;
    if (!options_.full_integer && (is_sensitive(op, *rule) || !is_worthwhile(op, *rule))) continue;
    if (!keeps_precision(op) || !knows_output_scale(op, *rule)) continue;
    plan_.quantized[i] = true;
    fix_output(op, *rule);
  }
  if (has_attention_ && !options_.full_integer) leave_what_floats_after();
  unite_groups();
  find_ranges();
  return std::move(plan_);
}

}  // namespace

ScaleParams scale_params(Range range, Activations activations) {
  const double min = std::min(0.0, static_cast<double>(range.min));
  const double max = std::max(0.0, static_cast<double>(range.max));
  if (activations == Activations::kInt16) {
    const double largest = std::max(-min, max);
    return {largest < 1e-12 ? 1.0f / 32767 : static_cast<float>(largest / 32767), 0};
  }
  if (max - min < 1e-12) return {1.0f / 255, 0};
  const auto scale = static_cast<float>((max - min) / 255);
  const double zero_point = std::round(-128 - min / static_cast<double>(scale));
  return {scale, static_cast<std::int64_t>(std::clamp(zero_point, -128.0, 127.0))};
}

std::optional<ScaleParams> StaticPlan::wanted(const Subgraph& graph, const Operator& op, int tensor) const {
  if (tensor < 0 || graph.tensors[static_cast<std::size_t>(tensor)].type != TensorType::kFloat32)
    return std::nullopt;
  const bool same = rule_of(op) == ScaleRule::kSame;
  return own[static_cast<std::size_t>(same ? op.outputs[0] : tensor)];
}

StaticPlan plan_static(const Model& model, const ActivationRanges& ranges, const StaticOptions& options,
                       const std::vector<bool>& forced_float) {
  return Planner(model, ranges, options, forced_float).run();
}

}  // namespace assay::tflite
