#include <algorithm>
#include <map>
#include <tuple>

#include "formats/tflite/model.h"

namespace assay::tflite {
namespace {

// Codes above this do not fit the byte that old readers look at; they find this placeholder there.
constexpr std::int32_t kLastOldCode = 127;

using CodeKey = std::tuple<Op, std::string, std::int32_t>;

Object write_code(const CodeKey& key) {
  const auto& [op, custom_code, version] = key;
  Object code = Object::make("OperatorCode");
  const auto number = static_cast<std::int32_t>(op);
  code.set_integer("deprecated_builtin_code", std::min(number, kLastOldCode));
  code.set_integer("builtin_code", number);
  code.set_integer("version", version);
  if (!custom_code.empty()) code.set_string("custom_code", custom_code);
  return code;
}

template <typename T>
void set_values(Object& object, std::string_view name, const std::vector<T>& values) {
  if (!values.empty()) object.set_data(name, Data::own_values(values));
}

// A string or number that is what the schema assumes anyway is left out.
void set_text(Object& object, std::string_view name, const std::string& text) {
  if (!text.empty()) object.set_string(name, text);
}
void set_number(Object& object, std::string_view name, std::int64_t number) {
  if (number != 0) object.set_integer(name, number);
}

bool is_empty(const Object& object) {
  for (std::size_t slot = 0; slot < object.type().fields.size(); ++slot) {
    if (object.field(slot).index() != 0) return false;
  }
  return true;
}

Object write_tensor(const Tensor& tensor) {
  Object object = tensor.rest;
  object.set_string("name", tensor.name);
  set_number(object, "type", static_cast<std::int64_t>(tensor.type));
  object.set_data("shape", Data::own_values(tensor.shape));
  set_values(object, "shape_signature", tensor.shape_signature);
  set_number(object, "buffer", tensor.buffer);
  set_number(object, "is_variable", tensor.is_variable);
  Object quantization = tensor.quantization.rest;
  set_values(quantization, "scale", tensor.quantization.scale);
  set_values(quantization, "zero_point", tensor.quantization.zero_point);
  set_number(quantization, "quantized_dimension", tensor.quantization.dimension);
  if (!is_empty(quantization)) object.set_tables("quantization", {std::move(quantization)});
  return object;
}

Object write_operator(const Operator& op, std::map<CodeKey, std::size_t>& codes) {
  const auto index = codes.try_emplace({op.op, op.custom_code, op.version}, codes.size()).first->second;
  Object object = op.rest;
  set_number(object, "opcode_index", static_cast<std::int64_t>(index));
  object.set_data("inputs", Data::own_values(op.inputs));
  object.set_data("outputs", Data::own_values(op.outputs));
  if (op.options.exists()) {
    object.set_integer("builtin_options_type",
                       static_cast<std::int64_t>(union_number("BuiltinOptions", op.options.type())));
    object.set_tables("builtin_options", {op.options});
  }
  return object;
}

Object write_subgraph(const Subgraph& subgraph, std::map<CodeKey, std::size_t>& codes) {
  Object object = subgraph.rest;
  set_text(object, "name", subgraph.name);
  object.set_data("inputs", Data::own_values(subgraph.inputs));
  object.set_data("outputs", Data::own_values(subgraph.outputs));
  std::vector<Object> tensors, operators;
  for (const Tensor& tensor : subgraph.tensors) tensors.push_back(write_tensor(tensor));
  for (const Operator& op : subgraph.operators) operators.push_back(write_operator(op, codes));
  object.set_tables("tensors", std::move(tensors));
  object.set_tables("operators", std::move(operators));
  return object;
}

std::vector<Object> write_names(const std::vector<TensorName>& names) {
  std::vector<Object> tables;
  for (const TensorName& name : names) {
    tables.push_back(Object::make("TensorMap"));
    tables.back().set_string("name", name.name);
    set_number(tables.back(), "tensor_index", name.tensor);
  }
  return tables;
}

Object write_signature(const Signature& signature) {
  Object object = signature.rest;
  object.set_string("signature_key", signature.key);
  set_number(object, "subgraph_index", signature.subgraph);
  object.set_tables("inputs", write_names(signature.inputs));
  object.set_tables("outputs", write_names(signature.outputs));
  return object;
}

Object write_buffer(const Buffer& buffer) {
  Object object = buffer.rest;
  if (!buffer.data.bytes().empty()) object.set_data("data", buffer.data);
  return object;
}

}  // namespace

Result<std::vector<Data>> write_pieces(const Model& model) {
  Object root = model.rest;
  root.set_integer("version", model.version);
  set_text(root, "description", model.description);
  std::map<CodeKey, std::size_t> codes;
  std::vector<Object> subgraphs, buffers, signatures, metadata;
  for (const Subgraph& subgraph : model.subgraphs) subgraphs.push_back(write_subgraph(subgraph, codes));
  std::vector<Object> code_tables(codes.size());
  for (const auto& [key, index] : codes) code_tables[index] = write_code(key);
  for (const Buffer& buffer : model.buffers) buffers.push_back(write_buffer(buffer));
  for (const Signature& signature : model.signatures) signatures.push_back(write_signature(signature));
  for (const Metadata& entry : model.metadata) {
    metadata.push_back(Object::make("Metadata"));
    metadata.back().set_string("name", entry.name);
    metadata.back().set_integer("buffer", entry.buffer);
  }
  root.set_tables("operator_codes", std::move(code_tables));
  root.set_tables("subgraphs", std::move(subgraphs));
  root.set_tables("buffers", std::move(buffers));
  if (!metadata.empty()) root.set_tables("metadata", std::move(metadata));
  if (!signatures.empty()) root.set_tables("signature_defs", std::move(signatures));
  ASSAY_TRY(std::vector<Data> pieces, write_flatbuffer(root, "TFL3"));
  pieces.push_back(Data::borrow(model.appended));
  return pieces;
}

Result<std::vector<std::byte>> write(const Model& model) {
  ASSAY_TRY(const std::vector<Data> pieces, write_pieces(model));
  return joined(pieces);
}

}  // namespace assay::tflite
