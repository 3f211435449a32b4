#include <algorithm>
#include <utility>

#include "formats/tflite/model.h"

namespace assay::tflite {
namespace {

// Where each kept item goes; -1 for those that go away.
struct Renumbering {
  explicit Renumbering(const std::vector<bool>& keep) : to(keep.size(), -1) {
    for (std::size_t i = 0; i < keep.size(); ++i) {
      if (keep[i]) to[i] = count++;
    }
  }
  void apply(std::vector<std::int32_t>& indices) const {
    for (auto& index : indices) {
      if (index >= 0) index = to[static_cast<std::size_t>(index)];
    }
  }
  std::vector<std::int32_t> to;
  std::int32_t count = 0;
};

template <typename T>
void keep_only(std::vector<T>& items, const std::vector<bool>& keep) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!keep[i]) continue;
    if (next != i) items[next] = std::move(items[i]);
    ++next;
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(next), items.end());
}

void mark(std::vector<bool>& used, const std::vector<std::int32_t>& indices) {
  for (const std::int32_t index : indices) {
    if (index >= 0) used[static_cast<std::size_t>(index)] = true;
  }
}

// Blockwise quantization names its scales' tensors in a place that is not renumbered here.
bool refers_to_tensors(const Tensor& tensor) { return tensor.quantization.rest.has("details"); }

void remove_unused_tensors(Model& model, std::size_t graph) {
  Subgraph& subgraph = model.subgraphs[graph];
  if (std::any_of(subgraph.tensors.begin(), subgraph.tensors.end(), refers_to_tensors)) return;
  std::vector<bool> used(subgraph.tensors.size(), false);
  mark(used, subgraph.inputs);
  mark(used, subgraph.outputs);
  for (const Operator& op : subgraph.operators) {
    mark(used, op.inputs);
    mark(used, op.outputs);
    mark(used, op.rest.data("intermediates").values<std::int32_t>());
  }
  for (const Signature& signature : model.signatures) {
    if (signature.subgraph != graph) continue;
    for (const auto* names : {&signature.inputs, &signature.outputs}) {
      for (const TensorName& name : *names) used[name.tensor] = true;
    }
  }
  const Renumbering tensors(used);
  keep_only(subgraph.tensors, used);
  tensors.apply(subgraph.inputs);
  tensors.apply(subgraph.outputs);
  for (Operator& op : subgraph.operators) {
    tensors.apply(op.inputs);
    tensors.apply(op.outputs);
    if (!op.rest.has("intermediates")) continue;
    auto intermediates = op.rest.data("intermediates").values<std::int32_t>();
    tensors.apply(intermediates);
    op.rest.set_data("intermediates", Data::own_values(intermediates));
  }
  for (Signature& signature : model.signatures) {
    if (signature.subgraph != graph) continue;
    for (auto* names : {&signature.inputs, &signature.outputs}) {
      for (TensorName& name : *names) name.tensor = static_cast<std::uint32_t>(tensors.to[name.tensor]);
    }
  }
}

void remove_unused_buffers(Model& model) {
  if (model.buffers.empty()) return;
  auto metadata_buffers = model.rest.data("metadata_buffer").values<std::int32_t>();
  std::vector<bool> used(model.buffers.size(), false);
  used[0] = true;
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const Tensor& tensor : subgraph.tensors) used[tensor.buffer] = true;
  }
  for (const Metadata& entry : model.metadata) used[entry.buffer] = true;
  mark(used, metadata_buffers);
  const Renumbering buffers(used);
  keep_only(model.buffers, used);
  for (Subgraph& subgraph : model.subgraphs) {
    for (Tensor& tensor : subgraph.tensors)
      tensor.buffer = static_cast<std::uint32_t>(buffers.to[tensor.buffer]);
  }
  buffers.apply(metadata_buffers);
  if (model.rest.has("metadata_buffer"))
    model.rest.set_data("metadata_buffer", Data::own_values(metadata_buffers));
  for (Metadata& entry : model.metadata) entry.buffer = static_cast<std::uint32_t>(buffers.to[entry.buffer]);
}

}  // namespace

void Model::set_data(Tensor& tensor, Data data) {
  if (buffers.empty()) buffers.emplace_back();
  tensor.buffer = static_cast<std::uint32_t>(buffers.size());
  buffers.push_back({std::move(data)});
}

Uses find_uses(const Subgraph& subgraph) {
  Uses uses{std::vector<int>(subgraph.tensors.size(), -1),
            std::vector<std::vector<int>>(subgraph.tensors.size())};
  for (std::size_t i = 0; i < subgraph.operators.size(); ++i) {
    for (const std::int32_t output : subgraph.operators[i].outputs) {
      if (output >= 0) uses.producer[static_cast<std::size_t>(output)] = static_cast<int>(i);
    }
    for (const std::int32_t input : subgraph.operators[i].inputs) {
      if (input < 0) continue;
      auto& consumers = uses.consumers[static_cast<std::size_t>(input)];
      if (consumers.empty() || consumers.back() != static_cast<int>(i))
        consumers.push_back(static_cast<int>(i));
    }
  }
  return uses;
}

void remove_unneeded_operators(Subgraph& subgraph) {
  std::vector<bool> needed(subgraph.tensors.size(), false), keep(subgraph.operators.size(), false);
  mark(needed, subgraph.outputs);
  for (std::size_t i = subgraph.operators.size(); i-- > 0;) {
    const Operator& op = subgraph.operators[i];
    keep[i] = std::any_of(op.outputs.begin(), op.outputs.end(), [&](std::int32_t output) {
      return output >= 0 && needed[static_cast<std::size_t>(output)];
    });
    if (keep[i]) mark(needed, op.inputs);
  }
  keep_only(subgraph.operators, keep);
}

Result<Model> part_that_computes(const Model& model, std::span<const int> tensors) {
  Model part = model;
  part.signatures.clear();
  Subgraph& main = part.main();
  main.outputs.clear();
  for (const int tensor : tensors) {
    if (tensor < 0 || static_cast<std::size_t>(tensor) >= main.tensors.size())
      return Error{ErrorCode::kInvalidArgument,
                   "there is no tensor " + std::to_string(tensor) + " to put out"};
    if (model.is_constant(main.tensors[static_cast<std::size_t>(tensor)]))
      return Error{ErrorCode::kInvalidArgument,
                   "tensor " + std::to_string(tensor) + " is a constant, not an output"};
    main.outputs.push_back(tensor);
  }
  remove_unneeded_operators(main);
  remove_unused(part);
  return part;
}

void remove_unused(Model& model) {
  for (std::size_t i = 0; i < model.subgraphs.size(); ++i) remove_unused_tensors(model, i);
  remove_unused_buffers(model);
}

}  // namespace assay::tflite
