#include "formats/tflite/fuse_activations.h"

#include <algorithm>
#include <utility>

namespace assay::tflite {
namespace {

// ActivationFunctionType of the schema; 0: not an activation that can be fused.
int activation_number(Op op) {
  switch (op) {
    case Op::kRelu:
      return 1;
    case Op::kReluN1To1:
      return 2;
    case Op::kRelu6:
      return 3;
    default:
      return 0;
  }
}

bool can_apply_activation(Op op) {
  switch (op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
    case Op::kFullyConnected:
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kMaxPool2d:
    case Op::kAveragePool2d:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::size_t fuse_activations(Model& model) {
  Subgraph& graph = model.main();
  const Uses uses = find_uses(graph);
  std::vector<bool> removed(graph.operators.size(), false);
  std::size_t fused = 0;
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    const Operator& op = graph.operators[i];
    const int number = activation_number(op.op);
    if (number == 0 || op.inputs.size() != 1 || op.outputs.size() != 1 || op.inputs[0] < 0) continue;
    const auto between = static_cast<std::size_t>(op.inputs[0]);
    if (uses.producer[between] < 0 || uses.consumers[between].size() != 1) continue;
    if (std::find(graph.outputs.begin(), graph.outputs.end(), op.inputs[0]) != graph.outputs.end()) continue;
    Operator& before = graph.operators[static_cast<std::size_t>(uses.producer[between])];
    if (!can_apply_activation(before.op) || before.outputs.size() != 1 ||
        !before.options.declares("fused_activation_function"))
      continue;
    if (before.options.integer("fused_activation_function") != 0) continue;
    if (before.outputs[0] != op.inputs[0]) continue;
    before.options.set_integer("fused_activation_function", number);
    before.outputs = op.outputs;
    removed[i] = true;
    ++fused;
  }
  std::vector<Operator> left;
  for (std::size_t i = 0; i < removed.size(); ++i) {
    if (!removed[i]) left.push_back(std::move(graph.operators[i]));
  }
  graph.operators = std::move(left);
  return fused;
}

}  // namespace assay::tflite
