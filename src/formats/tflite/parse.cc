#include <algorithm>
#include <utility>

#include "formats/tflite/model.h"

namespace assay::tflite {
namespace {

constexpr std::string_view kIdentifier = "TFL3";

struct OperatorCode {
  Op op;
  std::string custom_code;
  std::int32_t version;
};

std::string numbered(const char* what, std::size_t index) {
  return std::string(what) + " " + std::to_string(index);
}

std::vector<std::int32_t> take_integers(Object& object, std::string_view name) {
  return object.take_data(name).values<std::int32_t>();
}
std::string take_string(Object& object, std::string_view name) {
  std::string text = object.string(name);
  object.clear(name);
  return text;
}
std::int64_t take_integer(Object& object, std::string_view name) {
  const std::int64_t value = object.integer(name);
  object.clear(name);
  return value;
}

OperatorCode read_code(const Object& object) {
  // Files from before 2020 have only the first, a byte; later ones have both, the first capped at 127.
  const auto code = std::max(object.integer("deprecated_builtin_code"), object.integer("builtin_code"));
  return {static_cast<Op>(code), object.string("custom_code"),
          static_cast<std::int32_t>(object.integer("version"))};
}

Result<Buffer> read_buffer(Object object, ByteView file) {
  Buffer buffer;
  buffer.data = object.take_data("data");
  const auto offset = static_cast<std::uint64_t>(take_integer(object, "offset"));
  const auto size = static_cast<std::uint64_t>(take_integer(object, "size"));
  // 0 and 1 stand for "inside", as the writers of large files put 1 before they know better.
  if (offset > 1) {
    if (offset > file.size() || size > file.size() - offset)
      return Error{ErrorCode::kCorrupt, "offset " + std::to_string(offset) + " and size " +
                                            std::to_string(size) + " lie outside of the file of " +
                                            std::to_string(file.size()) + " bytes (truncated?)"};
    buffer.data = Data::borrow(file.subspan(offset, size));
  }
  buffer.rest = std::move(object);
  return buffer;
}

Quantization read_quantization(Object object) {
  Quantization quantization;
  quantization.scale = object.take_data("scale").values<float>();
  quantization.zero_point = object.take_data("zero_point").values<std::int64_t>();
  quantization.dimension = static_cast<std::int32_t>(take_integer(object, "quantized_dimension"));
  quantization.rest = std::move(object);
  return quantization;
}

Tensor read_tensor(Object object) {
  Tensor tensor;
  tensor.name = take_string(object, "name");
  tensor.type = static_cast<TensorType>(take_integer(object, "type"));
  tensor.shape = take_integers(object, "shape");
  tensor.shape_signature = take_integers(object, "shape_signature");
  tensor.buffer = static_cast<std::uint32_t>(take_integer(object, "buffer"));
  tensor.is_variable = take_integer(object, "is_variable") != 0;
  auto quantization = object.take_tables("quantization");
  if (!quantization.empty()) tensor.quantization = read_quantization(std::move(quantization.front()));
  tensor.rest = std::move(object);
  return tensor;
}

Result<Operator> read_operator(Object object, const std::vector<OperatorCode>& codes) {
  const auto index = static_cast<std::uint64_t>(take_integer(object, "opcode_index"));
  if (index >= codes.size())
    return Error{ErrorCode::kCorrupt, "opcode_index is " + std::to_string(index) + ", but there are " +
                                          std::to_string(codes.size()) + " operator codes"};
  if (object.integer("large_custom_options_offset") > 1)
    return Error{ErrorCode::kUnsupported, "custom options outside of the flatbuffer are not supported"};
  Operator op{codes[index].op, codes[index].custom_code, codes[index].version};
  op.inputs = take_integers(object, "inputs");
  op.outputs = take_integers(object, "outputs");
  object.clear("builtin_options_type");
  auto options = object.take_tables("builtin_options");
  if (!options.empty()) op.options = std::move(options.front());
  op.rest = std::move(object);
  return op;
}

Result<Subgraph> read_subgraph(Object object, const std::vector<OperatorCode>& codes) {
  Subgraph subgraph;
  subgraph.name = take_string(object, "name");
  subgraph.inputs = take_integers(object, "inputs");
  subgraph.outputs = take_integers(object, "outputs");
  for (Object& tensor : object.take_tables("tensors"))
    subgraph.tensors.push_back(read_tensor(std::move(tensor)));
  for (Object& table : object.take_tables("operators")) {
    auto op = read_operator(std::move(table), codes);
    if (!op) return op.error().with_context(numbered("operator", subgraph.operators.size()));
    subgraph.operators.push_back(*std::move(op));
  }
  subgraph.rest = std::move(object);
  return subgraph;
}

std::vector<TensorName> read_names(std::vector<Object> tables) {
  std::vector<TensorName> names;
  for (const Object& table : tables)
    names.push_back({table.string("name"), static_cast<std::uint32_t>(table.integer("tensor_index"))});
  return names;
}

Signature read_signature(Object object) {
  Signature signature;
  signature.key = take_string(object, "signature_key");
  signature.subgraph = static_cast<std::uint32_t>(take_integer(object, "subgraph_index"));
  signature.inputs = read_names(object.take_tables("inputs"));
  signature.outputs = read_names(object.take_tables("outputs"));
  signature.rest = std::move(object);
  return signature;
}

Result<Model> read_model(Object object, ByteView file) {
  Model model;
  model.version = static_cast<std::uint32_t>(take_integer(object, "version"));
  if (model.version != 3)
    return Error{ErrorCode::kUnsupported,
                 "Model.version is " + std::to_string(model.version) + ", expected 3"};
  model.description = take_string(object, "description");
  std::vector<OperatorCode> codes;
  for (const Object& code : object.take_tables("operator_codes")) codes.push_back(read_code(code));
  for (Object& table : object.take_tables("buffers")) {
    auto buffer = read_buffer(std::move(table), file);
    if (!buffer) return buffer.error().with_context(numbered("buffer", model.buffers.size()));
    model.buffers.push_back(*std::move(buffer));
  }
  for (Object& table : object.take_tables("subgraphs")) {
    auto subgraph = read_subgraph(std::move(table), codes);
    if (!subgraph) return subgraph.error().with_context(numbered("subgraph", model.subgraphs.size()));
    model.subgraphs.push_back(*std::move(subgraph));
  }
  for (Object& table : object.take_tables("signature_defs"))
    model.signatures.push_back(read_signature(std::move(table)));
  for (const Object& table : object.take_tables("metadata"))
    model.metadata.push_back({table.string("name"), static_cast<std::uint32_t>(table.integer("buffer"))});
  model.rest = std::move(object);
  return model;
}

// The ZIP that model metadata appends, if one follows the flatbuffer.
ByteView find_appended(ByteView file, std::uint64_t end) {
  constexpr std::string_view kZipEntry = "PK\x03\x04";
  const ByteView tail = file.subspan(std::min<std::uint64_t>(end, file.size()));
  const auto at = as_text(tail).find(kZipEntry);
  return at == std::string_view::npos ? ByteView() : tail.subspan(at);
}

}  // namespace

Result<Model> parse(ByteView file) {
  if (file.size() < 8 || as_text(file.subspan(4, 4)) != kIdentifier)
    return Error{ErrorCode::kCorrupt, "the file identifier is not 'TFL3': not a .tflite file?"};
  std::uint64_t end = 0;
  ASSAY_TRY(Object root, read_flatbuffer(file, "Model", &end));
  ASSAY_TRY(Model model, read_model(std::move(root), file));
  ASSAY_RETURN_IF_ERROR(validate(model));
  model.appended = find_appended(file, end);
  return model;
}

}  // namespace assay::tflite
