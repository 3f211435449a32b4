#include "quant/tflite/convert.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "quant/tflite/constants.h"
#include "quant/tflite/space_to_depth.h"
#include "quant/tflite/weights.h"
#include "tensor/float16.h"

namespace assay::tflite {
namespace {

// A DEQUANTIZE with its tensor takes about 200 bytes of the file, which float16 must save first.
constexpr std::size_t kFewestFloat16Values = 100;
constexpr std::size_t kFewestInt8Values = 1024;

std::size_t num_values(const Model& model, const Tensor& tensor) {
  return model.data(tensor).size() / sizeof(float);
}

bool is_float_constant(const Model& model, const Tensor& tensor) {
  return tensor.type == TensorType::kFloat32 && model.is_constant(tensor) && !tensor.is_variable &&
         !tensor.is_sparse();
}

bool keeps(const KeepFloat& keep_float, const Subgraph& graph, const Operator& op) {
  return keep_float && keep_float(operator_label(graph, op));
}

// Kernels that may look at a constant before the graph runs, or hand it to another subgraph.
bool needs_constants(const Operator& op) {
  switch (op.op) {
    case Op::kCustom:
    case Op::kIf:
    case Op::kWhile:
    case Op::kCall:
    case Op::kCallOnce:
    case Op::kStablehloComposite:
    case Op::kLstm:
    case Op::kUnidirectionalSequenceLstm:
    case Op::kBidirectionalSequenceLstm:
    case Op::kRnn:
    case Op::kUnidirectionalSequenceRnn:
    case Op::kBidirectionalSequenceRnn:
    case Op::kSvdf:
      return true;
    default:
      return false;
  }
}

// DEQUANTIZE operators that come before all others, one per constant.
class Dequantizers {
 public:
  explicit Dequantizers(Subgraph& graph) : graph_(graph) {}

  // The float tensor that is computed from constant `source`.
  int of(int source) {
    const auto [found, inserted] = outputs_.try_emplace(source, static_cast<int>(graph_.tensors.size()));
    if (!inserted) return found->second;
    Tensor output;
    output.name = graph_.tensors[static_cast<std::size_t>(source)].name + "/float";
    output.shape = graph_.tensors[static_cast<std::size_t>(source)].shape;
    graph_.tensors.push_back(std::move(output));
    Operator op;
    op.op = Op::kDequantize;
    op.version = 5;  // from float16 (3), per channel (5)
    op.inputs = {source};
    op.outputs = {found->second};
    operators_.push_back(std::move(op));
    return found->second;
  }
  void finish() {
    graph_.operators.insert(graph_.operators.begin(), std::make_move_iterator(operators_.begin()),
                            std::make_move_iterator(operators_.end()));
  }

 private:
  Subgraph& graph_;
  std::map<int, int> outputs_;
  std::vector<Operator> operators_;
};

// The same constant as FLOAT16; nothing when a finite value becomes infinite.
std::optional<std::vector<std::uint16_t>> halves(ByteView bytes) {
  std::vector<std::uint16_t> bits;
  for (const float value : Data::borrow(bytes).values<float>()) {
    const Float16 half = to_float16(value);
    if (std::isfinite(value) && !std::isfinite(to_float(half))) return std::nullopt;
    bits.push_back(half.bits);
  }
  return bits;
}

void float16_graph(Model& model, Subgraph& graph, const KeepFloat& keep_float, ConversionReport& report) {
  Dequantizers dequantizers(graph);
  std::map<int, int> converted;  // constant to its float16 twin; -1: cannot be one
  const auto twin = [&](int index) {
    const auto [found, inserted] = converted.try_emplace(index, -1);
    if (!inserted) return found->second;
    Tensor half = graph.tensors[static_cast<std::size_t>(index)];
    const auto bits = halves(model.data(half));
    if (!bits) {
      report.warnings.push_back("'" + half.name +
                                "' has values over 65504, which float16 cannot hold: stays float32");
      return -1;
    }
    half.type = TensorType::kFloat16;
    model.set_data(half, Data::own_values(*bits));
    graph.tensors.push_back(std::move(half));
    ++report.converted;
    return found->second = static_cast<int>(graph.tensors.size()) - 1;
  };
  for (Operator& op : graph.operators) {
    const bool kept = needs_constants(op) || keeps(keep_float, graph, op);
    for (auto& input : op.inputs) {
      if (input < 0) continue;
      const Tensor& tensor = graph.tensors[static_cast<std::size_t>(input)];
      if (!is_float_constant(model, tensor) || num_values(model, tensor) < kFewestFloat16Values) continue;
      const int half = kept ? -1 : twin(input);
      if (half < 0) {
        ++report.kept;
      } else {
        input = dequantizers.of(half);
      }
    }
  }
  dequantizers.finish();
}

bool is_dynamic(Op op) { return op == Op::kConv2d || op == Op::kFullyConnected || op == Op::kBatchMatmul; }

void mark_dynamic(Operator& op) {
  constexpr std::string_view kAsymmetric = "asymmetric_quantize_inputs";
  if (op.options.declares(kAsymmetric)) op.options.set_integer(kAsymmetric, 1);
  switch (op.op) {
    case Op::kConv2d:
      op.version = std::max(op.version, 5);
      return;
    case Op::kFullyConnected:
      op.version = std::max(op.version, 9);
      return;
    default:
      op.version = std::max(op.version, 4);
  }
}

// The index of the weights of an operator that can have them as int8; -1 otherwise.
int int8_candidate(const Model& model, const Subgraph& graph, const Operator& op) {
  const auto roles = weighted_op(op.op);
  if (!roles || op.inputs.size() <= std::max(roles->weights, roles->input)) return -1;
  const int index = op.inputs[roles->weights];
  const int input = op.inputs[roles->input];
  if (index < 0 || input < 0) return -1;
  const Tensor& tensor = graph.tensors[static_cast<std::size_t>(index)];
  if (!is_float_constant(model, tensor) || num_values(model, tensor) < kFewestInt8Values) return -1;
  if (roles->dimension >= static_cast<int>(tensor.shape.size())) return -1;
  // Of two constants the product is one, too: quantizing activations that never change gave NaN in LiteRT.
  const Tensor& activations = graph.tensors[static_cast<std::size_t>(input)];
  if (model.is_constant(activations) || activations.type != TensorType::kFloat32) return -1;
  return index;
}

Result<Converted> start(const Model& model) {
  Converted result{model, {}};
  ASSAY_RETURN_IF_ERROR(fold_constants(result.model));
  result.report.space_to_depth = merge_space_to_depth(result.model);
  return result;
}

Result<Converted> finish(Converted result, const char* wanted) {
  remove_unused(result.model);
  if (result.report.converted == 0)
    return Error{ErrorCode::kUnsupported, std::string("no float32 weights to convert to ") + wanted +
                                              " (is the model quantized already, or are all kept in float?)"};
  return result;
}

}  // namespace

std::string operator_label(const Subgraph& graph, const Operator& op) {
  const bool named = !op.outputs.empty() && op.outputs[0] >= 0;
  return name_of(op.op) + " " + (named ? graph.tensors[static_cast<std::size_t>(op.outputs[0])].name : "");
}

Result<Converted> restore_float32(const Model& model) {
  Converted result{model, {}};
  ASSAY_RETURN_IF_ERROR(fold_constants(result.model));
  for (std::size_t g = 0; g < model.subgraphs.size(); ++g)
    result.report.converted +=
        model.subgraphs[g].operators.size() - result.model.subgraphs[g].operators.size();
  result.report.space_to_depth = merge_space_to_depth(result.model);
  remove_unused(result.model);
  return result;
}

Result<Converted> quantize_float16(const Model& model, const KeepFloat& keep_float) {
  ASSAY_TRY(Converted result, start(model));
  for (Subgraph& graph : result.model.subgraphs)
    float16_graph(result.model, graph, keep_float, result.report);
  return finish(std::move(result), "float16");
}

std::uint64_t quantize_int8_weights(Model& model, Subgraph& graph,
                                    const std::function<std::optional<Int8Weights>(const Operator&)>& mode_of) {
  Dequantizers dequantizers(graph);
  std::map<std::pair<int, int>, int> converted;  // constant and dimension to its int8 twin
  for (Operator& op : graph.operators) {
    const int index = int8_candidate(model, graph, op);
    const auto mode = index < 0 ? std::nullopt : mode_of(op);
    if (!mode) continue;
    const WeightedOp roles = *weighted_op(op.op);
    const auto [found, inserted] = converted.try_emplace({index, roles.dimension}, -1);
    if (inserted) {
      const Tensor tensor = graph.tensors[static_cast<std::size_t>(index)];
      const auto values = Data::borrow(model.data(tensor)).values<float>();
      found->second = add_int8_constant(
          model, graph, tensor, quantize_weights(values, tensor.shape, roles.dimension), roles.dimension);
    }
    const bool dynamic = *mode == Int8Weights::kDynamic && is_dynamic(op.op);
    if (dynamic) mark_dynamic(op);
    op.inputs[roles.weights] = dynamic ? found->second : dequantizers.of(found->second);
  }
  dequantizers.finish();
  return converted.size();
}

Result<Converted> quantize_int8_weights(const Model& model, Int8Weights mode, const KeepFloat& keep_float) {
  ASSAY_TRY(Converted result, start(model));
  for (Subgraph& graph : result.model.subgraphs) {
    result.report.converted +=
        quantize_int8_weights(result.model, graph, [&](const Operator& op) -> std::optional<Int8Weights> {
          if (!keeps(keep_float, graph, op)) return mode;
          ++result.report.kept;
          return std::nullopt;
        });
  }
  return finish(std::move(result), "int8");
}

}  // namespace assay::tflite
