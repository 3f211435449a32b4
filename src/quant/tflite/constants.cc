#include "quant/tflite/constants.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tensor/float16.h"

namespace assay::tflite {
namespace {

constexpr std::size_t kMostLevels = 32;
// For each stored value of a sparse tensor; pruned networks keep at least one in ten.
constexpr std::size_t kMostZeros = 100;

std::string label(const Tensor& tensor) { return "tensor '" + tensor.name + "'"; }

template <typename T>
std::vector<float> dequantized(ByteView bytes, const Tensor& tensor) {
  const Quantization& q = tensor.quantization;
  const std::size_t count = bytes.size() / sizeof(T);
  // Values that share a scale lie `inner` next to each other.
  std::size_t inner = 1;
  for (std::size_t d = static_cast<std::size_t>(q.dimension) + 1; d < tensor.shape.size(); ++d)
    inner *= static_cast<std::size_t>(tensor.shape[d]);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    T stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(T), sizeof(T));
    const std::size_t channel = q.scale.size() == 1 ? 0 : i / inner % q.scale.size();
    const std::int64_t zero = q.zero_point.empty() ? 0 : q.zero_point[q.zero_point.size() == 1 ? 0 : channel];
    values[i] = q.scale[channel] * static_cast<float>(static_cast<std::int64_t>(stored) - zero);
  }
  return values;
}

std::vector<float> from_float16(ByteView bytes) {
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Float16 half;
    std::memcpy(&half.bits, bytes.data() + 2 * i, 2);
    values[i] = to_float(half);
  }
  return values;
}

// One level of a sparse tensor's storage: a dimension, or a block within one.
struct Level {
  bool sparse = false;
  std::size_t size = 0;                         // dense
  std::vector<std::int64_t> segments, indices;  // sparse
};

std::vector<std::int64_t> index_values(Object& metadata, const char* name) {
  auto tables = metadata.take_tables(name);
  std::vector<std::int64_t> values;
  if (tables.empty()) return values;
  const Data data = tables.front().data("values");
  const auto append = [&](const auto& typed) { values.assign(typed.begin(), typed.end()); };
  if (tables.front().is("Int32Vector")) append(data.values<std::int32_t>());
  if (tables.front().is("Uint16Vector")) append(data.values<std::uint16_t>());
  if (tables.front().is("Uint8Vector")) append(data.values<std::uint8_t>());
  return values;
}

class Densifier {
 public:
  Densifier(const Tensor& tensor, ByteView stored, std::size_t value_bytes)
      : tensor_(tensor), stored_(stored), value_bytes_(value_bytes) {}

  Result<std::vector<std::byte>> run();

 private:
  Status read_levels();
  Status populate(std::size_t level, std::size_t previous);
  Status put();
  Error corrupt(const char* what) const {
    return {ErrorCode::kCorrupt, label(tensor_) + ": sparsity: " + what};
  }

  const Tensor& tensor_;
  ByteView stored_;
  std::size_t value_bytes_;
  std::vector<std::int32_t> order_, block_map_;
  std::vector<Level> levels_;
  std::vector<std::size_t> indices_;
  std::vector<std::byte> dense_;
  std::size_t next_ = 0;
  std::uint64_t steps_left_ = 0;
};

Status Densifier::read_levels() {
  Object rest = tensor_.rest;
  auto sparsity = rest.take_tables("sparsity");
  order_ = sparsity.front().data("traversal_order").values<std::int32_t>();
  block_map_ = sparsity.front().data("block_map").values<std::int32_t>();
  for (Object& metadata : sparsity.front().take_tables("dim_metadata")) {
    Level level;
    level.sparse = metadata.integer("format") == 1;
    level.size = static_cast<std::size_t>(std::max<std::int64_t>(metadata.integer("dense_size"), 0));
    level.segments = index_values(metadata, "array_segments");
    level.indices = index_values(metadata, "array_indices");
    levels_.push_back(std::move(level));
  }
  const std::size_t rank = tensor_.shape.size();
  if (levels_.size() > kMostLevels) return corrupt("it has more levels than a tensor has dimensions");
  if (levels_.size() != rank + block_map_.size() || order_.size() != levels_.size())
    return corrupt("traversal order, blocks and dimensions do not fit together");
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const bool block = i >= rank;
    const auto low = static_cast<std::int32_t>(block ? rank : 0);
    const auto high = static_cast<std::int32_t>(block ? order_.size() : rank);
    if (order_[i] < low || order_[i] >= high)
      return corrupt("traversal_order names a dimension out of place");
    if (block && levels_[i].sparse) return corrupt("a block is sparse within itself");
  }
  for (const std::int32_t dimension : block_map_) {
    if (dimension < 0 || static_cast<std::size_t>(dimension) >= rank)
      return corrupt("block_map names no dimension");
  }
  return {};
}

Status Densifier::put() {
  const std::size_t rank = tensor_.shape.size();
  std::vector<std::size_t> place(rank);
  for (std::size_t i = 0; i < rank; ++i) place[static_cast<std::size_t>(order_[i])] = indices_[i];
  for (std::size_t i = rank; i < order_.size(); ++i) {
    const auto block = static_cast<std::size_t>(order_[i]) - rank;
    auto& at = place[static_cast<std::size_t>(block_map_[block])];
    at = at * levels_[i].size + indices_[i];
  }
  std::size_t flat = 0;
  for (std::size_t d = 0; d < rank; ++d) {
    const auto size = static_cast<std::size_t>(tensor_.shape[d]);
    if (place[d] >= size) return corrupt("an index lies outside of the shape");
    flat = flat * size + place[d];
  }
  if ((next_ + 1) * value_bytes_ > stored_.size()) return corrupt("there are fewer values than indices");
  std::memcpy(dense_.data() + flat * value_bytes_, stored_.data() + next_ * value_bytes_, value_bytes_);
  ++next_;
  return {};
}

Status Densifier::populate(std::size_t level, std::size_t previous) {
  if (steps_left_-- == 0) return corrupt("it describes more than the shape holds");
  if (level == levels_.size()) return put();
  const Level& here = levels_[level];
  if (!here.sparse) {
    for (std::size_t i = 0; i < here.size; ++i) {
      indices_[level] = i;
      ASSAY_RETURN_IF_ERROR(populate(level + 1, previous * here.size + i));
    }
    return {};
  }
  if (previous + 1 >= here.segments.size()) return corrupt("a segment is missing");
  for (std::int64_t i = here.segments[previous]; i < here.segments[previous + 1]; ++i) {
    if (i < 0 || static_cast<std::size_t>(i) >= here.indices.size() ||
        here.indices[static_cast<std::size_t>(i)] < 0)
      return corrupt("a segment lies outside of the indices");
    indices_[level] = static_cast<std::size_t>(here.indices[static_cast<std::size_t>(i)]);
    ASSAY_RETURN_IF_ERROR(populate(level + 1, static_cast<std::size_t>(i)));
  }
  return {};
}

Result<std::vector<std::byte>> Densifier::run() {
  ASSAY_RETURN_IF_ERROR(read_levels());
  const auto bytes = storage_bytes(tensor_.type, tensor_.shape);
  // The stored values bound what a file can ask for.
  if (!bytes || *bytes > (stored_.size() + 1024) * kMostZeros)
    return corrupt("the shape is too large for so few values");
  dense_.resize(*bytes);
  indices_.resize(levels_.size());
  steps_left_ = (*bytes / value_bytes_ + 1) * (levels_.size() + 1);
  ASSAY_RETURN_IF_ERROR(populate(0, 0));
  return std::move(dense_);
}

// Gives the output of a folded operator the value, and takes the operator away.
Status fold_operator(Model& model, Subgraph& graph, const Operator& op) {
  const Tensor source = graph.tensors[static_cast<std::size_t>(op.inputs[0])];
  Tensor& target = graph.tensors[static_cast<std::size_t>(op.outputs[0])];
  if (op.op == Op::kDensify) {
    ASSAY_TRY(std::vector<std::byte> dense, densify(model, source));
    target.quantization = source.quantization;
    model.set_data(target, Data::own(std::move(dense)));
    return {};
  }
  ASSAY_TRY(const std::vector<float> values, float_values(model, source));
  target.quantization = {};
  model.set_data(target, Data::own_values(values));
  return {};
}

bool is_readable(const Tensor& tensor) {
  if (tensor.is_sparse() || tensor.quantization.rest.has("details")) return false;
  switch (tensor.type) {
    case TensorType::kFloat32:
    case TensorType::kFloat16:
      return true;
    case TensorType::kInt8:
    case TensorType::kUint8:
    case TensorType::kInt16:
      return tensor.is_quantized();
    default:
      return false;
  }
}

bool can_fold(const Model& model, const Subgraph& graph, const Operator& op) {
  if ((op.op != Op::kDequantize && op.op != Op::kDensify) || op.inputs.size() != 1 || op.outputs.size() != 1)
    return false;
  if (op.inputs[0] < 0 || op.outputs[0] < 0) return false;
  const Tensor& source = graph.tensors[static_cast<std::size_t>(op.inputs[0])];
  const Tensor& target = graph.tensors[static_cast<std::size_t>(op.outputs[0])];
  if (!model.is_constant(source) || source.is_variable) return false;
  const auto size = storage_bytes(target.type, target.shape);
  if (op.op == Op::kDensify)
    return source.is_sparse() && source.type == target.type && source.shape == target.shape;
  return target.type == TensorType::kFloat32 && source.shape == target.shape && size.has_value() &&
         is_readable(source);
}

}  // namespace

Result<std::vector<float>> float_values(const Model& model, const Tensor& tensor) {
  const ByteView bytes = model.data(tensor);
  if (!is_readable(tensor))
    return Error{ErrorCode::kUnsupported, label(tensor) + ": values of type " + name_of(tensor.type) +
                                              " stored this way cannot be read"};
  if (tensor.type == TensorType::kFloat32) return Data::borrow(bytes).values<float>();
  if (tensor.type == TensorType::kFloat16) return from_float16(bytes);
  if (tensor.type == TensorType::kInt8) return dequantized<std::int8_t>(bytes, tensor);
  if (tensor.type == TensorType::kUint8) return dequantized<std::uint8_t>(bytes, tensor);
  return dequantized<std::int16_t>(bytes, tensor);
}

Result<std::vector<std::byte>> densify(const Model& model, const Tensor& tensor) {
  const std::int32_t one[] = {1};
  const auto value_bytes = storage_bytes(tensor.type, one);
  if (!tensor.is_sparse() || !value_bytes)
    return Error{ErrorCode::kCorrupt, label(tensor) + ": is not sparse, or of a type without values"};
  return Densifier(tensor, model.data(tensor), *value_bytes).run();
}

Status fold_constants(Model& model) {
  for (Subgraph& graph : model.subgraphs) {
    std::vector<Operator> left;
    for (Operator& op : graph.operators) {
      if (!can_fold(model, graph, op)) {
        left.push_back(std::move(op));
        continue;
      }
      ASSAY_RETURN_IF_ERROR(fold_operator(model, graph, op));
    }
    graph.operators = std::move(left);
  }
  return {};
}

}  // namespace assay::tflite
