#include "quant/tflite/attention.h"

#include <algorithm>

namespace assay::tflite {
namespace {

// What stands between a projection and the product, or between the product and the softmax.
bool passes_on(Op op) {
  switch (op) {
    case Op::kReshape:
    case Op::kTranspose:
    case Op::kSlice:
    case Op::kSplit:
    case Op::kConcatenation:
    case Op::kAdd:
    case Op::kMul:
      return true;
    default:
      return false;
  }
}

// Calls visit(operator) for the first operators of type `wanted` on each way up from `tensor`.
template <typename Visit>
void go_up(const Subgraph& graph, const Uses& uses, std::int32_t tensor, Op wanted, std::vector<bool>& seen,
           Visit visit) {
  if (tensor < 0) return;
  const int producer = uses.producer[static_cast<std::size_t>(tensor)];
  if (producer < 0 || seen[static_cast<std::size_t>(producer)]) return;
  seen[static_cast<std::size_t>(producer)] = true;
  const Operator& op = graph.operators[static_cast<std::size_t>(producer)];
  if (op.op == wanted) return visit(producer);
  if (!passes_on(op.op)) return;
  for (const std::int32_t input : op.inputs) go_up(graph, uses, input, wanted, seen, visit);
}

}  // namespace

bool has_attention(const Model& model) {
  const Subgraph& graph = model.main();
  return std::any_of(graph.operators.begin(), graph.operators.end(), [&](const Operator& op) {
    return op.op == Op::kBatchMatmul &&
           std::none_of(op.inputs.begin(), op.inputs.end(), [&](std::int32_t input) {
             return input < 0 || model.is_constant(graph.tensors[static_cast<std::size_t>(input)]);
           });
  });
}

std::vector<bool> score_projections(const Model& model) {
  const Subgraph& graph = model.main();
  const Uses uses = find_uses(graph);
  std::vector<bool> found(graph.operators.size(), false);
  std::vector<bool> products(graph.operators.size(), false);
  for (const Operator& op : graph.operators) {
    if (op.op != Op::kSoftmax || op.inputs.empty()) continue;
    std::vector<bool> seen(graph.operators.size(), false);
    go_up(graph, uses, op.inputs[0], Op::kBatchMatmul, seen,
          [&](int product) { products[static_cast<std::size_t>(product)] = true; });
  }
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!products[i]) continue;
    std::vector<bool> seen(graph.operators.size(), false);
    for (const std::int32_t input : graph.operators[i].inputs) {
      go_up(graph, uses, input, Op::kFullyConnected, seen,
            [&](int projection) { found[static_cast<std::size_t>(projection)] = true; });
    }
  }
  return found;
}

}  // namespace assay::tflite
