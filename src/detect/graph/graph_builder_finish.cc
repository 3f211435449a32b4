// From what was written to a model: what nobody needs goes, activations go into the operators before them.
#include <algorithm>

#include "detect/graph/graph_builder.h"

namespace assay::detect {
namespace {

using tflite::Op;
using tflite::Operator;
using tflite::Subgraph;

void keep_only(std::vector<Operator>& operators, const std::vector<bool>& kept) {
  std::vector<Operator> result;
  for (std::size_t i = 0; i < operators.size(); ++i) {
    if (kept[i]) result.push_back(std::move(operators[i]));
  }
  operators = std::move(result);
}

void remove_unneeded_operators(Subgraph& graph) {
  std::vector<bool> needed(graph.tensors.size(), false), kept(graph.operators.size(), false);
  for (const std::int32_t tensor : graph.outputs) needed[static_cast<std::size_t>(tensor)] = true;
  for (std::size_t i = graph.operators.size(); i-- > 0;) {
    const Operator& op = graph.operators[i];
    kept[i] = std::any_of(op.outputs.begin(), op.outputs.end(),
                          [&](std::int32_t tensor) { return needed[static_cast<std::size_t>(tensor)]; });
    if (!kept[i]) continue;
    for (const std::int32_t tensor : op.inputs) needed[static_cast<std::size_t>(tensor)] = true;
  }
  keep_only(graph.operators, kept);
}

// Where nothing else reads what comes before the activation.
void fuse_activations(Subgraph& graph) {
  const tflite::Uses uses = tflite::find_uses(graph);
  std::vector<bool> kept(graph.operators.size(), true);
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    const Operator& op = graph.operators[i];
    if (op.op != Op::kRelu && op.op != Op::kRelu6) continue;
    const auto before = static_cast<std::size_t>(op.inputs.front());
    if (uses.producer[before] < 0 || uses.consumers[before].size() != 1) continue;
    if (std::find(graph.outputs.begin(), graph.outputs.end(), op.inputs.front()) != graph.outputs.end())
      continue;
    Operator& producer = graph.operators[static_cast<std::size_t>(uses.producer[before])];
    if (!producer.options.declares("fused_activation_function") ||
        producer.options.integer("fused_activation_function") != 0)
      continue;
    const Activation kind = op.op == Op::kRelu ? Activation::kRelu : Activation::kRelu6;
    producer.options.set_integer("fused_activation_function", static_cast<int>(kind));
    producer.outputs = op.outputs;
    kept[i] = false;
  }
  keep_only(graph.operators, kept);
}

}  // namespace

Result<tflite::Model> GraphBuilder::finish(std::string description,
                                           const std::vector<std::pair<std::string, std::string>>& metadata) {
  if (error_) return *error_;
  if (outputs_.empty()) return Error{ErrorCode::kInvalidArgument, "a graph without outputs"};
  remove_unneeded_operators(model_.main());
  fuse_activations(model_.main());
  tflite::Signature signature;
  signature.key = "serving_default";
  signature.inputs = std::move(inputs_);
  signature.outputs = std::move(outputs_);
  model_.signatures.push_back(std::move(signature));
  model_.description = std::move(description);
  for (const auto& [name, content] : metadata) {
    model_.metadata.push_back({name, static_cast<std::uint32_t>(model_.buffers.size())});
    const auto bytes = as_bytes(content);
    model_.buffers.push_back({tflite::Data::own({bytes.begin(), bytes.end()})});
  }
  tflite::Model model = std::move(model_);
  *this = GraphBuilder();
  tflite::remove_unused(model);
  ASSAY_RETURN_IF_ERROR(tflite::validate(model));
  return model;
}

}  // namespace assay::detect
