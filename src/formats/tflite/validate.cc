#include <algorithm>
#include <functional>

#include "formats/tflite/model.h"

namespace assay::tflite {
namespace {

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }

// Names come from the file and go to a terminal.
std::string quoted(const std::string& text) {
  std::string safe = text.substr(0, 100);
  for (char& c : safe) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return "'" + safe + "'";
}

int bits_of(TensorType type) {
  switch (type) {
    case TensorType::kInt2:
      return 2;
    case TensorType::kInt4:
    case TensorType::kUint4:
      return 4;
    case TensorType::kUint8:
    case TensorType::kInt8:
    case TensorType::kBool:
    case TensorType::kFloat8E4m3fn:
    case TensorType::kFloat8E5m2:
      return 8;
    case TensorType::kFloat16:
    case TensorType::kBfloat16:
    case TensorType::kInt16:
    case TensorType::kUint16:
      return 16;
    case TensorType::kFloat32:
    case TensorType::kInt32:
    case TensorType::kUint32:
      return 32;
    case TensorType::kInt64:
    case TensorType::kUint64:
    case TensorType::kFloat64:
    case TensorType::kComplex64:
      return 64;
    case TensorType::kComplex128:
      return 128;
    case TensorType::kString:
    case TensorType::kResource:
    case TensorType::kVariant:
      return 0;
  }
  return 0;
}

Status check_quantization(const Tensor& tensor) {
  const Quantization& q = tensor.quantization;
  const std::size_t scales = q.scale.size();
  if (scales == 0) return {};
  if (!q.zero_point.empty() && q.zero_point.size() != scales)
    return corrupt("has " + std::to_string(scales) + " scales but " + std::to_string(q.zero_point.size()) +
                   " zero points");
  if (q.rest.has("details")) return {};  // blocks: their scales are tensors
  if (scales == 1) return {};
  if (q.dimension < 0 || static_cast<std::size_t>(q.dimension) >= tensor.shape.size())
    return corrupt("quantized_dimension is " + std::to_string(q.dimension) + ", but the tensor has " +
                   std::to_string(tensor.shape.size()) + " dimensions");
  const std::int32_t size = tensor.shape[static_cast<std::size_t>(q.dimension)];
  if (static_cast<std::size_t>(size) != scales)
    return corrupt("has " + std::to_string(scales) + " scales, but dimension " + std::to_string(q.dimension) +
                   " has size " + std::to_string(size));
  return {};
}

Status check_tensor(const Model& model, const Tensor& tensor) {
  for (const std::int32_t size : tensor.shape) {
    if (size < -1) return corrupt("shape has the dimension " + std::to_string(size));
  }
  if (tensor.buffer >= model.buffers.size())
    return corrupt("buffer is " + std::to_string(tensor.buffer) + ", but there are " +
                   std::to_string(model.buffers.size()));
  if (const auto bytes = model.data(tensor).size(); bytes > 0 && !tensor.is_sparse()) {
    const auto expected = storage_bytes(tensor.type, tensor.shape);
    if (bits_of(tensor.type) > 0 && expected != bytes)
      return corrupt("its buffer has " + std::to_string(bytes) + " bytes, but shape and type " +
                     name_of(tensor.type) + " need " +
                     (expected ? std::to_string(*expected) : std::string("more than there can be")));
  }
  return check_quantization(tensor);
}

Status check_indices(const std::vector<std::int32_t>& indices, std::size_t count, bool optional,
                     const char* what) {
  for (const std::int32_t index : indices) {
    if (index == -1 && optional) continue;
    if (index < 0 || static_cast<std::size_t>(index) >= count)
      return corrupt(std::string(what) + " names tensor " + std::to_string(index) + ", but there are " +
                     std::to_string(count));
  }
  return {};
}

// Every tensor is written at most once, and before it is read: so there is no cycle. Constants are not
// written.
Status check_order(const Model& model, const Subgraph& subgraph) {
  const std::size_t count = subgraph.tensors.size();
  std::vector<int> writer(count, -1);
  for (std::size_t i = 0; i < subgraph.operators.size(); ++i) {
    for (const std::int32_t output : subgraph.operators[i].outputs) {
      if (output < 0) continue;
      if (model.is_constant(subgraph.tensors[static_cast<std::size_t>(output)]))
        return corrupt("operator " + std::to_string(i) + " writes tensor " + std::to_string(output) +
                       ", which is a constant");
      auto& slot = writer[static_cast<std::size_t>(output)];
      if (slot >= 0)
        return corrupt("tensor " + std::to_string(output) + " is written by operators " +
                       std::to_string(slot) + " and " + std::to_string(i));
      slot = static_cast<int>(i);
    }
  }
  for (std::size_t i = 0; i < subgraph.operators.size(); ++i) {
    for (const std::int32_t input : subgraph.operators[i].inputs) {
      if (input < 0 || subgraph.tensors[static_cast<std::size_t>(input)].is_variable) continue;
      if (writer[static_cast<std::size_t>(input)] >= static_cast<int>(i))
        return corrupt("operator " + std::to_string(i) + " reads tensor " + std::to_string(input) +
                       ", which operator " + std::to_string(writer[static_cast<std::size_t>(input)]) +
                       " writes: the graph has a cycle or a wrong order");
    }
  }
  return {};
}

Status check_subgraph(const Model& model, const Subgraph& subgraph) {
  const std::size_t count = subgraph.tensors.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto status = check_tensor(model, subgraph.tensors[i]);
    if (!status)
      return status.error().with_context("tensor " + std::to_string(i) + " " +
                                         quoted(subgraph.tensors[i].name));
  }
  ASSAY_RETURN_IF_ERROR(check_indices(subgraph.inputs, count, false, "inputs"));
  ASSAY_RETURN_IF_ERROR(check_indices(subgraph.outputs, count, false, "outputs"));
  for (std::size_t i = 0; i < subgraph.operators.size(); ++i) {
    const Operator& op = subgraph.operators[i];
    const std::string where = "operator " + std::to_string(i) + " " + name_of(op.op);
    for (const auto& [indices, what] :
         {std::pair{op.inputs, "inputs"}, std::pair{op.outputs, "outputs"},
          std::pair{op.rest.data("intermediates").values<std::int32_t>(), "intermediates"}}) {
      const auto status = check_indices(indices, count, true, what);
      if (!status) return status.error().with_context(where);
    }
  }
  return check_order(model, subgraph);
}

// The subgraphs that an operator runs, as its options name them.
std::vector<std::int64_t> called_subgraphs(const Operator& op) {
  std::vector<std::int64_t> called;
  std::vector<Object> all;
  if (op.options.exists()) all.push_back(op.options);
  Object rest = op.rest;
  for (Object& options : rest.take_tables("builtin_options2")) all.push_back(std::move(options));
  for (const Object& options : all) {
    for (const FieldInfo& field : options.type().fields) {
      const bool names_one =
          field.name.ends_with("subgraph_index") || (options.is("CallOptions") && field.name == "subgraph");
      if (names_one && field.kind == FieldKind::kScalar) called.push_back(options.integer(field.name));
    }
  }
  return called;
}

Status check_calls(const Model& model) {
  const std::size_t count = model.subgraphs.size();
  std::vector<std::vector<std::size_t>> calls(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (const Operator& op : model.subgraphs[i].operators) {
      for (const std::int64_t called : called_subgraphs(op)) {
        if (called == -1) continue;
        if (called < 0 || static_cast<std::size_t>(called) >= count)
          return corrupt("subgraph " + std::to_string(i) + ": " + name_of(op.op) + " runs subgraph " +
                         std::to_string(called) + ", but there are " + std::to_string(count));
        calls[i].push_back(static_cast<std::size_t>(called));
      }
    }
  }
  // Peels off what calls nothing that is left; what remains calls itself.
  std::vector<bool> done(count, false);
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (done[i] || !std::all_of(calls[i].begin(), calls[i].end(), [&](std::size_t c) { return done[c]; }))
        continue;
      done[i] = progress = true;
    }
  }
  const auto left = std::find(done.begin(), done.end(), false);
  if (left != done.end()) return corrupt("subgraph " + std::to_string(left - done.begin()) + " runs itself");
  return {};
}

Status check_signature(const Model& model, const Signature& signature) {
  if (signature.subgraph >= model.subgraphs.size())
    return corrupt("subgraph_index is " + std::to_string(signature.subgraph) + ", but there are " +
                   std::to_string(model.subgraphs.size()) + " subgraphs");
  for (const auto* names : {&signature.inputs, &signature.outputs}) {
    for (const TensorName& name : *names) {
      if (name.tensor >= model.subgraphs[signature.subgraph].tensors.size())
        return corrupt(quoted(name.name) + " is tensor " + std::to_string(name.tensor) +
                       ", which does not exist");
    }
  }
  return {};
}

}  // namespace

std::optional<std::uint64_t> storage_bytes(TensorType type, std::span<const std::int32_t> shape) {
  auto bits = static_cast<std::uint64_t>(bits_of(type));
  if (bits == 0) return std::nullopt;
  for (const std::int32_t size : shape) {
    if (size < 0 || !checked_multiply(bits, static_cast<std::uint64_t>(size), &bits)) return std::nullopt;
  }
  return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

Status validate(const Model& model) {
  if (model.subgraphs.empty()) return corrupt("Model.subgraphs is empty, expected at least one");
  for (std::size_t i = 0; i < model.subgraphs.size(); ++i) {
    const auto status = check_subgraph(model, model.subgraphs[i]);
    if (!status) return status.error().with_context("subgraph " + std::to_string(i));
  }
  for (const Signature& signature : model.signatures) {
    const auto status = check_signature(model, signature);
    if (!status) return status.error().with_context("signature " + quoted(signature.key));
  }
  for (const Metadata& entry : model.metadata) {
    if (entry.buffer >= model.buffers.size())
      return corrupt("metadata " + quoted(entry.name) + ": buffer " + std::to_string(entry.buffer) +
                     " does not exist");
  }
  for (const std::int32_t buffer : model.rest.data("metadata_buffer").values<std::int32_t>()) {
    if (buffer < 0 || static_cast<std::size_t>(buffer) >= model.buffers.size())
      return corrupt("Model.metadata_buffer names buffer " + std::to_string(buffer) +
                     ", which does not exist");
  }
  return check_calls(model);
}

}  // namespace assay::tflite
