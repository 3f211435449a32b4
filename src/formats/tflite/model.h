// A .tflite model as a small graph, read from bytes and written back.
// Source: the TFLite flatbuffer schema (see schema.h) and LiteRT's model loading.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "formats/tflite/object.h"
#include "formats/tflite/operators.h"

namespace assay::tflite {

// What every part carries as `rest`: the fields of its table that have no member of their own, kept as they
// were.
struct Buffer {
  Data data;
  Object rest = Object::make("Buffer");
};

// real = scale * (stored - zero_point); one scale for the tensor, or one per index of `dimension`.
struct Quantization {
  std::vector<float> scale;  // empty: not quantized (min and max may still be in `rest`)
  std::vector<std::int64_t> zero_point;
  std::int32_t dimension = 0;
  Object rest = Object::make("QuantizationParameters");
};

struct Tensor {
  std::string name;
  TensorType type = TensorType::kFloat32;
  std::vector<std::int32_t> shape;
  std::vector<std::int32_t> shape_signature;  // -1: unknown until run time; empty: as `shape`
  std::uint32_t buffer = 0;                   // 0: no data
  bool is_variable = false;
  Quantization quantization;
  Object rest = Object::make("Tensor");  // sparsity among it

  bool is_quantized() const { return !quantization.scale.empty(); }
  bool is_sparse() const { return rest.has("sparsity"); }
};

struct Operator {
  Op op = Op::kCustom;
  std::string custom_code;           // of kCustom
  std::int32_t version = 1;          // LiteRT refuses a kernel version that it does not have
  std::vector<std::int32_t> inputs;  // indices of tensors; -1: an optional input that is absent
  std::vector<std::int32_t> outputs;
  Object options;                          // the builtin options; none: does not exist
  Object rest = Object::make("Operator");  // custom options and what else there is
};

struct Subgraph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<std::int32_t> inputs, outputs;
  std::vector<Operator> operators;  // in the order of execution
  Object rest = Object::make("SubGraph");
};

struct TensorName {
  std::string name;
  std::uint32_t tensor = 0;
};

struct Signature {
  std::string key;
  std::uint32_t subgraph = 0;
  std::vector<TensorName> inputs, outputs;
  Object rest = Object::make("SignatureDef");
};

struct Metadata {
  std::string name;
  std::uint32_t buffer = 0;
};

struct Model {
  std::uint32_t version = 3;
  std::string description;
  std::vector<Buffer> buffers;  // the first is empty
  std::vector<Subgraph> subgraphs;
  std::vector<Signature> signatures;
  std::vector<Metadata> metadata;
  Object rest = Object::make("Model");
  ByteView appended;  // what follows the flatbuffer: model metadata packs its files there as a ZIP

  Subgraph& main() { return subgraphs.front(); }
  const Subgraph& main() const { return subgraphs.front(); }
  // The bytes of a constant; empty for a tensor that is computed.
  ByteView data(const Tensor& tensor) const { return buffers[tensor.buffer].data.bytes(); }
  bool is_constant(const Tensor& tensor) const { return !data(tensor).empty(); }
  // Gives the tensor a buffer of its own.
  void set_data(Tensor& tensor, Data data);
};

// Reads a file of any size; buffers that lie outside of its flatbuffer too. The model borrows from `file`,
// which must outlive it and its copies. Everything is checked: a model that parse() gives refers to no
// tensor, buffer or subgraph that does not exist, constants have the size of their shape and type, scales
// that of their dimension, no operator reads what a later one writes or writes a constant, and no subgraph
// calls itself. Errors, naming table and field: kCorrupt; kUnsupported for fields newer than the schema and
// for custom options outside of the flatbuffer.
Result<Model> parse(ByteView file);

// The bytes of a file that parse() reads as the same model. Errors: kResourceLimit where it would pass 2 GB.
Result<std::vector<std::byte>> write(const Model& model);
// The same in pieces that follow each other, without copies of the model's constants: they live as long as those.
Result<std::vector<Data>> write_pieces(const Model& model);

// What parse() checks of a graph; what builds or changes one may ask for it. Errors: kCorrupt.
Status validate(const Model& model);

// The bytes that a tensor of that shape takes. Nothing when the type has no fixed size (strings, resources),
// a dimension is unknown, or the size does not fit.
std::optional<std::uint64_t> storage_bytes(TensorType type, std::span<const std::int32_t> shape);

// The operator that writes each tensor, -1 for inputs and constants; the operators that read each, in order.
struct Uses {
  std::vector<int> producer;
  std::vector<std::vector<int>> consumers;
};
Uses find_uses(const Subgraph& subgraph);

// Leaves out the operators that none of the graph's outputs needs; tensors and their numbers stay.
void remove_unneeded_operators(Subgraph& subgraph);

// The part of the main subgraph that computes these tensors, which are its outputs then, in that order; other tensors
// are renumbered, signatures are gone. Borrows what `model` borrows. Errors: kInvalidArgument for an index that does not
// exist or is a constant.
Result<Model> part_that_computes(const Model& model, std::span<const int> tensors);

// Leaves out the tensors and buffers that nothing refers to any more, after operators were removed.
void remove_unused(Model& model);

}  // namespace assay::tflite
