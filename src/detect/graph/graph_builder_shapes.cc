// The operators that move values and do not change them.
#include <algorithm>

#include "detect/graph/fold.h"
#include "detect/graph/graph_builder.h"

namespace assay::detect {

using tflite::Data;
using tflite::Object;
using tflite::Op;
using tflite::TensorType;

Value GraphBuilder::reshape(Value x, Shape shape) {
  if (!x.exists()) return {};
  if (std::any_of(shape.begin(), shape.end(), [](std::int32_t extent) { return extent < 1; }) ||
      element_count(shape) != element_count(this->shape(x)))
    return fail(ErrorCode::kCorrupt, "reshape of " + shapes({x}) + " to another number of elements");
  // Of a reshaped value, the one before.
  if (const int producer = producer_[static_cast<std::size_t>(x.tensor)]; producer >= 0) {
    const tflite::Operator& before = model_.main().operators[static_cast<std::size_t>(producer)];
    if (before.op == Op::kReshape) x = {before.inputs.front()};
  }
  if (shape == this->shape(x)) return x;
  if (is_constant(x) && tensor(x).type == TensorType::kFloat32)
    return constant(tensor(x).name, std::move(shape), model_.buffers[tensor(x).buffer].data);
  Object options = Object::make("ReshapeOptions");
  options.set_data("new_shape", Data::own_values(shape));
  const Value target = constant_integers({static_cast<std::int32_t>(shape.size())}, shape);
  return emit(Op::kReshape, {x, target}, tensor(x).type, std::move(shape), std::move(options));
}

Value GraphBuilder::transpose(Value x, const std::vector<std::int32_t>& order) {
  if (!x.exists()) return {};
  const Shape in = shape(x);
  std::vector<std::int32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  Shape out;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (order.size() != in.size() || sorted[i] != static_cast<std::int32_t>(i))
      return fail(ErrorCode::kInvalidArgument, "transpose of " + shapes({x}) + " in an order that is none");
    out.push_back(in[static_cast<std::size_t>(order[i])]);
  }
  // Dimensions of 1 may go anywhere: where the others keep their order, nothing moves.
  std::int32_t last = -1;
  const bool moves = std::any_of(order.begin(), order.end(), [&](std::int32_t dimension) {
    if (in[static_cast<std::size_t>(dimension)] == 1) return false;
    const bool backwards = dimension < last;
    last = dimension;
    return backwards;
  });
  if (!moves) return reshape(x, std::move(out));
  if (all_constant({x})) {
    const FloatTensor folded = fold_transpose({in, values(x)}, order);
    return constant(folded.shape, folded.values);
  }
  const Value permutation = constant_integers({static_cast<std::int32_t>(order.size())}, order);
  return emit(Op::kTranspose, {x, permutation}, tensor(x).type, std::move(out),
              Object::make("TransposeOptions"));
}

Value GraphBuilder::concat(const std::vector<Value>& parts, int axis) {
  if (!all_exist(parts) || parts.empty()) return {};
  if (parts.size() == 1) return parts.front();
  Shape out = shape(parts.front());
  if (axis < 0) axis += static_cast<int>(out.size());
  const auto dimension = static_cast<std::size_t>(axis);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    Shape other = shape(parts[i]);
    if (other.size() != out.size() || dimension >= out.size())
      return fail(ErrorCode::kCorrupt, "concatenation of " + shapes(parts));
    const std::int32_t sum = out[dimension] + other[dimension];
    other[dimension] = out[dimension];
    if (other != out) return fail(ErrorCode::kCorrupt, "concatenation of " + shapes(parts));
    out[dimension] = sum;
  }
  if (all_constant(parts)) {
    std::vector<FloatTensor> tensors;
    for (const Value part : parts) tensors.push_back({shape(part), values(part)});
    const FloatTensor folded = fold_concat(tensors, axis);
    return constant(folded.shape, folded.values);
  }
  Object options = Object::make("ConcatenationOptions");
  options.set_integer("axis", axis);
  return emit(Op::kConcatenation, parts, tensor(parts.front()).type, std::move(out), std::move(options));
}

Value GraphBuilder::slice(Value x, const std::vector<std::int32_t>& begin, const Shape& size) {
  if (!x.exists()) return {};
  const Shape in = shape(x);
  bool fits = begin.size() == in.size() && size.size() == in.size();
  for (std::size_t i = 0; fits && i < in.size(); ++i)
    fits = begin[i] >= 0 && size[i] >= 1 && begin[i] <= in[i] - size[i];
  if (!fits) return fail(ErrorCode::kCorrupt, "a slice beyond " + shapes({x}));
  if (size == in) return x;
  if (all_constant({x})) {
    const FloatTensor folded = fold_slice({in, values(x)}, begin, size);
    return constant(folded.shape, folded.values);
  }
  const auto rank = static_cast<std::int32_t>(in.size());
  return emit(Op::kSlice, {x, constant_integers({rank}, begin), constant_integers({rank}, size)},
              tensor(x).type, size, Object::make("SliceOptions"));
}

Value GraphBuilder::pad(Value x, const std::vector<std::int32_t>& before,
                        const std::vector<std::int32_t>& after) {
  if (!x.exists()) return {};
  Shape out = shape(x);
  if (before.size() != out.size() || after.size() != out.size())
    return fail(ErrorCode::kInvalidArgument, "padding of other rank than " + shapes({x}));
  std::vector<std::int32_t> amounts;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (before[i] < 0 || after[i] < 0)
      return fail(ErrorCode::kInvalidArgument, "negative padding of " + shapes({x}));
    out[i] += before[i] + after[i];
    amounts.insert(amounts.end(), {before[i], after[i]});
  }
  const Value table = constant_integers({static_cast<std::int32_t>(out.size()), 2}, amounts);
  return emit(Op::kPad, {x, table}, tensor(x).type, std::move(out), Object::make("PadOptions"));
}

Value GraphBuilder::resize_nearest(Value x, int height, int width) {
  if (!x.exists()) return {};
  const Shape in = shape(x);
  if (in.size() != 4) return fail(ErrorCode::kCorrupt, "resize of " + shapes({x}));
  // PyTorch's nearest takes floor(i * in / out), which is this without half pixels.
  Object options = Object::make("ResizeNearestNeighborOptions");
  return emit(Op::kResizeNearestNeighbor, {x, constant_integers({2}, {height, width})}, TensorType::kFloat32,
              {in[0], height, width, in[3]}, std::move(options));
}

Value GraphBuilder::resize_bilinear(Value x, int height, int width, bool align_corners,
                                    bool half_pixel_centers) {
  if (!x.exists()) return {};
  const Shape in = shape(x);
  if (in.size() != 4) return fail(ErrorCode::kCorrupt, "resize of " + shapes({x}));
  Object options = Object::make("ResizeBilinearOptions");
  if (align_corners) options.set_integer("align_corners", 1);
  if (half_pixel_centers) options.set_integer("half_pixel_centers", 1);
  return emit(Op::kResizeBilinear, {x, constant_integers({2}, {height, width})}, TensorType::kFloat32,
              {in[0], height, width, in[3]}, std::move(options), 3);
}

Value GraphBuilder::gather(Value x, Value indices, int axis, int batch_dims) {
  if (!all_exist({x, indices})) return {};
  const Shape& in = shape(x);
  const Shape& at = shape(indices);
  bool fits = axis >= batch_dims && axis < static_cast<int>(in.size()) && batch_dims >= 0 &&
              batch_dims <= static_cast<int>(at.size());
  for (std::size_t i = 0; fits && i < static_cast<std::size_t>(batch_dims); ++i) fits = in[i] == at[i];
  if (!fits || tensor(indices).type != TensorType::kInt32)
    return fail(ErrorCode::kCorrupt, "gather of " + shapes({x, indices}));
  Shape out(in.begin(), in.begin() + axis);
  out.insert(out.end(), at.begin() + batch_dims, at.end());
  out.insert(out.end(), in.begin() + axis + 1, in.end());
  Object options = Object::make("GatherOptions");
  options.set_integer("axis", axis);
  options.set_integer("batch_dims", batch_dims);
  return emit(Op::kGather, {x, indices}, tensor(x).type, std::move(out), std::move(options));
}

std::pair<Value, Value> GraphBuilder::top_k(Value x, int k) {
  if (!x.exists()) return {};
  Shape out = shape(x);
  if (out.empty() || k < 1 || k > out.back()) {
    fail(ErrorCode::kCorrupt, "the " + std::to_string(k) + " largest of " + shapes({x}));
    return {};
  }
  out.back() = k;
  const Value values =
      emit(Op::kTopkV2, {x, constant_integers({1}, {k})}, tensor(x).type, out, Object::make("TopKV2Options"));
  if (!values.exists()) return {};
  const Value indices = new_tensor(tensor(values).name + "_indices", TensorType::kInt32, std::move(out));
  if (!indices.exists()) return {};
  model_.main().operators.back().outputs.push_back(indices.tensor);
  producer_[static_cast<std::size_t>(indices.tensor)] = producer_[static_cast<std::size_t>(values.tensor)];
  return {values, indices};
}

Value GraphBuilder::cast(Value x, TensorType type) {
  if (!x.exists() || tensor(x).type == type) return x;
  if (all_constant({x}) && type == TensorType::kInt32) {
    std::vector<std::int32_t> integers;
    for (const float value : values(x)) integers.push_back(static_cast<std::int32_t>(value));
    return constant_integers(shape(x), integers);
  }
  Object options = Object::make("CastOptions");
  options.set_integer("in_data_type", static_cast<int>(tensor(x).type));
  options.set_integer("out_data_type", static_cast<int>(type));
  return emit(Op::kCast, {x}, type, shape(x), std::move(options));
}

Value GraphBuilder::cumsum(Value x, int axis) {
  if (!x.exists()) return {};
  if (axis < 0 || axis >= static_cast<int>(shape(x).size()))
    return fail(ErrorCode::kInvalidArgument,
                "a running sum over a dimension that " + shapes({x}) + " has not");
  return emit(Op::kCumsum, {x, constant_integers({1}, {axis})}, TensorType::kFloat32, shape(x),
              Object::make("CumsumOptions"));
}

}  // namespace assay::detect
