#include "detect/graph/graph_builder.h"

#include <algorithm>
#include <utility>

#include "detect/graph/fold.h"

namespace assay::detect {
namespace {

using tflite::Data;
using tflite::Object;
using tflite::Op;
using tflite::Tensor;
using tflite::TensorType;

constexpr int kSame = 0, kValid = 1;  // numbers of Padding
constexpr std::size_t kSmallBytes = 64;
// A tensor of more elements is a mistake in a configuration, not a detector.
constexpr std::int64_t kMostElements = std::int64_t{1} << 31;

Object activated(std::string_view table) {
  Object options = Object::make(table);
  options.set_integer("fused_activation_function", 0);
  return options;
}

std::string_view options_table(Op op) {
  switch (op) {
    case Op::kAdd:
      return "AddOptions";
    case Op::kSub:
      return "SubOptions";
    case Op::kMul:
      return "MulOptions";
    case Op::kDiv:
      return "DivOptions";
    case Op::kMaximum:
    case Op::kMinimum:
      return "MaximumMinimumOptions";
    case Op::kSquaredDifference:
      return "SquaredDifferenceOptions";
    case Op::kExp:
      return "ExpOptions";
    case Op::kNeg:
      return "NegOptions";
    case Op::kAbs:
      return "AbsOptions";
    case Op::kCos:
      return "CosOptions";
    case Op::kSquare:
      return "SquareOptions";
    default:
      return "";
  }
}

Object options_of(Op op) {
  const std::string_view table = options_table(op);
  return table.empty() ? Object() : Object::make(table);
}

std::string operator_name(Op op) {
  std::string name = tflite::name_of(op);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// One direction of a window over an input.
struct Extent {
  int out = 0;
  int before = 0,
      after = 0;      // what has to be put around the input; after: may be less than the padding asked for
  bool same = false;  // the runtime's SAME puts the same around it
};

Extent extent_of(int in, int kernel, const Window& window) {
  const int reach = window.dilation * (kernel - 1) + 1;
  const int room = in + 2 * window.padding + window.padding_after - reach;
  Extent extent;
  if (in < 1 || window.stride < 1 || room < 0) return extent;
  extent.out = room / window.stride + 1;
  if (window.ceil_mode && room % window.stride != 0 && extent.out * window.stride < in + window.padding)
    ++extent.out;
  const int needed = (extent.out - 1) * window.stride + reach - in;
  extent.before = window.padding;
  extent.after = std::max(needed - window.padding, 0);
  const int same_out = (in + window.stride - 1) / window.stride;
  const int same_total = std::max((same_out - 1) * window.stride + reach - in, 0);
  extent.same = same_out == extent.out && same_total / 2 == extent.before;
  return extent;
}

}  // namespace

GraphBuilder::GraphBuilder() {
  model_.buffers.emplace_back();
  model_.subgraphs.emplace_back();
  model_.main().name = "main";
}

Value GraphBuilder::fail(ErrorCode code, std::string message) {
  if (!error_) error_ = Error{code, (scope_.empty() ? "" : scope_ + ": ") + std::move(message)};
  return {};
}

const Tensor& GraphBuilder::tensor(Value value) const {
  return model_.main().tensors[static_cast<std::size_t>(value.tensor)];
}

const Shape& GraphBuilder::shape(Value value) const {
  static const Shape kNone;
  return value.exists() ? tensor(value).shape : kNone;
}

int GraphBuilder::extent(Value value, int dimension) const {
  const Shape& of = shape(value);
  const auto at =
      static_cast<std::size_t>(dimension < 0 ? dimension + static_cast<int>(of.size()) : dimension);
  return at < of.size() ? of[at] : 1;
}

bool GraphBuilder::is_constant(Value value) const {
  return value.exists() && model_.is_constant(tensor(value));
}

std::vector<float> GraphBuilder::values(Value value) const {
  if (!is_constant(value)) return {};
  return Data::borrow(model_.data(tensor(value))).values<float>();
}

bool GraphBuilder::all_exist(const std::vector<Value>& values) const {
  return std::all_of(values.begin(), values.end(), [](Value value) { return value.exists(); });
}

bool GraphBuilder::all_constant(const std::vector<Value>& values) const {
  return std::all_of(values.begin(), values.end(), [&](Value value) {
    return is_constant(value) && tensor(value).type == TensorType::kFloat32;
  });
}

std::string GraphBuilder::shapes(const std::vector<Value>& values) const {
  std::string text;
  for (const Value value : values) text += (text.empty() ? "" : " and ") + text_of(shape(value));
  return text;
}

Value GraphBuilder::new_tensor(std::string name, TensorType type, Shape shape) {
  std::int64_t elements = 1;
  for (const std::int32_t extent : shape) {
    if (extent < 1 || (elements *= extent) > kMostElements)
      return fail(ErrorCode::kUnsupported, name + ": a tensor of shape " + text_of(shape));
  }
  if (const int earlier = names_[name]++; earlier > 0) name += "_" + std::to_string(earlier);
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.type = type;
  tensor.shape = std::move(shape);
  auto& tensors = model_.main().tensors;
  tensors.push_back(std::move(tensor));
  producer_.push_back(-1);
  return {static_cast<int>(tensors.size()) - 1};
}

Value GraphBuilder::input(std::string name, Shape shape) {
  const Value value = new_tensor(name, TensorType::kFloat32, std::move(shape));
  if (!value.exists()) return value;
  model_.main().inputs.push_back(value.tensor);
  inputs_.push_back({std::move(name), static_cast<std::uint32_t>(value.tensor)});
  return value;
}

Value GraphBuilder::constant(std::string name, Shape shape, Data data) {
  const std::size_t bytes = element_count(shape) * sizeof(float);
  if (data.bytes().size() != bytes || bytes == 0)
    return fail(ErrorCode::kInvalidArgument, name + ": " + std::to_string(data.bytes().size()) +
                                                 " bytes do not fill float32 " + text_of(shape));
  const auto [first, is_new] = constants_.try_emplace(name, -1);
  if (!is_new && first->second >= 0) {
    const Tensor& known = tensor({first->second});
    if (known.shape == shape && std::ranges::equal(model_.data(known), data.bytes())) return {first->second};
  }
  const Value value = new_tensor(std::move(name), TensorType::kFloat32, std::move(shape));
  if (!value.exists()) return value;
  model_.set_data(model_.main().tensors[static_cast<std::size_t>(value.tensor)], std::move(data));
  if (is_new) first->second = value.tensor;
  return value;
}

Value GraphBuilder::constant(Shape shape, const std::vector<float>& values) {
  Data data = Data::own_values(values);
  const std::string name = scope_ + "/constant";
  if (data.bytes().size() > kSmallBytes) return constant(name, std::move(shape), std::move(data));
  const auto key = std::make_tuple(TensorType::kFloat32, shape, std::string(as_text(data.bytes())));
  const auto found = small_constants_.find(key);
  if (found != small_constants_.end()) return {found->second};
  const Value value = constant(name, std::move(shape), std::move(data));
  if (value.exists()) small_constants_.emplace(key, value.tensor);
  return value;
}

Value GraphBuilder::constant_integers(Shape shape, const std::vector<std::int32_t>& values) {
  Data data = Data::own_values(values);
  const auto key = std::make_tuple(TensorType::kInt32, shape, std::string(as_text(data.bytes())));
  const auto found = small_constants_.find(key);
  if (found != small_constants_.end()) return {found->second};
  if (values.empty() || values.size() != element_count(shape))
    return fail(ErrorCode::kInvalidArgument, "integers that do not fill " + text_of(shape));
  const Value value = new_tensor(scope_ + "/integers", TensorType::kInt32, std::move(shape));
  if (!value.exists()) return value;
  model_.set_data(model_.main().tensors[static_cast<std::size_t>(value.tensor)], std::move(data));
  small_constants_.emplace(key, value.tensor);
  return value;
}

void GraphBuilder::output(std::string name, Value value) {
  if (!value.exists()) return;
  // The runtime has outputs that are computed; one of a constant graph would not be.
  if (is_constant(value)) {
    fail(ErrorCode::kUnsupported, "output " + name + " does not depend on the picture");
    return;
  }
  model_.main().outputs.push_back(value.tensor);
  model_.main().tensors[static_cast<std::size_t>(value.tensor)].name = name;
  outputs_.push_back({std::move(name), static_cast<std::uint32_t>(value.tensor)});
}

Value GraphBuilder::emit(Op op, const std::vector<Value>& inputs, TensorType type, Shape shape,
                         Options options, int version) {
  const std::string name = operator_name(op);
  const Value out = new_tensor(scope_.empty() ? name : scope_ + "/" + name, type, std::move(shape));
  if (!out.exists()) return out;
  tflite::Operator node;
  node.op = op;
  node.version = version;
  for (const Value value : inputs) node.inputs.push_back(value.tensor);
  node.outputs = {out.tensor};
  node.options = std::move(options);
  producer_[static_cast<std::size_t>(out.tensor)] = static_cast<int>(model_.main().operators.size());
  model_.main().operators.push_back(std::move(node));
  return out;
}

Value GraphBuilder::convolve(Op op, Value x, Value weights, Value bias, const Window& window) {
  if (!all_exist({x, weights, bias})) return {};
  const bool depthwise = op == Op::kDepthwiseConv2d;
  const Shape& in = shape(x);
  const Shape& kernel = shape(weights);
  const int channels = depthwise ? extent(weights, 3) : extent(weights, 0);
  if (in.size() != 4 || kernel.size() != 4 || in[0] != 1 || in[3] != kernel[3] ||
      (depthwise && kernel[0] != 1) || shape(bias) != Shape{channels})
    return fail(ErrorCode::kCorrupt, operator_name(op) + " of " + shapes({x, weights, bias}));
  const Extent rows = extent_of(in[1], kernel[1], window), columns = extent_of(in[2], kernel[2], window);
  if (rows.out < 1 || columns.out < 1)
    return fail(ErrorCode::kUnsupported,
                "the input " + text_of(in) + " is smaller than the window of " + text_of(kernel));
  const Shape out = {1, rows.out, columns.out, channels};
  bool same = rows.same && columns.same;
  if (!same && (rows.before + rows.after + columns.before + columns.after) > 0)
    x = pad(x, {0, rows.before, columns.before, 0}, {0, rows.after, columns.after, 0});
  Object options = activated(depthwise ? "DepthwiseConv2DOptions" : "Conv2DOptions");
  options.set_integer("padding", same ? kSame : kValid);
  options.set_integer("stride_w", window.stride);
  options.set_integer("stride_h", window.stride);
  options.set_integer("dilation_w_factor", window.dilation);
  options.set_integer("dilation_h_factor", window.dilation);
  if (depthwise) options.set_integer("depth_multiplier", 1);
  return emit(op, {x, weights, bias}, TensorType::kFloat32, out, std::move(options), 2);
}

Value GraphBuilder::conv2d(Value x, Value weights, Value bias, const Window& window) {
  return convolve(Op::kConv2d, x, weights, bias, window);
}

Value GraphBuilder::depthwise_conv2d(Value x, Value weights, Value bias, const Window& window) {
  return convolve(Op::kDepthwiseConv2d, x, weights, bias, window);
}

Value GraphBuilder::pool2d(Op op, Value x, int size, const Window& window) {
  if (!x.exists()) return {};
  const Shape in = shape(x);
  if (in.size() != 4) return fail(ErrorCode::kCorrupt, operator_name(op) + " of " + text_of(in));
  const Extent rows = extent_of(in[1], size, window), columns = extent_of(in[2], size, window);
  if (rows.out < 1 || columns.out < 1)
    return fail(ErrorCode::kUnsupported,
                "the input " + text_of(in) + " is smaller than a window of " + std::to_string(size));
  const bool same = rows.same && columns.same;
  if (!same && rows.before + rows.after + columns.before + columns.after > 0) {
    const int producer = producer_[static_cast<std::size_t>(x.tensor)];
    const auto* before =
        producer < 0 ? nullptr : &model_.main().operators[static_cast<std::size_t>(producer)];
    const bool positive = before != nullptr && before->op == Op::kRelu;
    if (op == Op::kAveragePool2d)
      return fail(ErrorCode::kUnsupported, "averages whose windows reach beyond the input unevenly");
    if (!positive)
      return fail(ErrorCode::kUnsupported, "a padded pool that does not follow a ReLU");
    x = pad(x, {0, rows.before, columns.before, 0}, {0, rows.after, columns.after, 0});
  }
  Object options = activated("Pool2DOptions");
  options.set_integer("padding", same ? kSame : kValid);
  options.set_integer("stride_w", window.stride);
  options.set_integer("stride_h", window.stride);
  options.set_integer("filter_width", size);
  options.set_integer("filter_height", size);
  return emit(op, {x}, TensorType::kFloat32, {1, rows.out, columns.out, in[3]}, std::move(options));
}

Value GraphBuilder::max_pool2d(Value x, int size, const Window& window) {
  return pool2d(Op::kMaxPool2d, x, size, window);
}

Value GraphBuilder::average_pool2d(Value x, int size, const Window& window) {
  return pool2d(Op::kAveragePool2d, x, size, window);
}

Value GraphBuilder::fully_connected(Value x, Value weights, Value bias) {
  if (!all_exist({x, weights, bias})) return {};
  const Shape& matrix = shape(weights);
  if (matrix.size() != 2 || shape(x).empty() || shape(x).back() != matrix[1] ||
      shape(bias) != Shape{matrix[0]})
    return fail(ErrorCode::kCorrupt, "fully_connected of " + shapes({x, weights, bias}));
  if (all_constant({x, weights, bias})) {
    const FloatTensor folded =
        fold_fully_connected({shape(x), values(x)}, {matrix, values(weights)}, {shape(bias), values(bias)});
    return constant(folded.shape, folded.values);
  }
  Shape out = shape(x);
  out.back() = matrix[0];
  Object options = activated("FullyConnectedOptions");
  options.set_integer("keep_num_dims", 1);
  return emit(Op::kFullyConnected, {x, weights, bias}, TensorType::kFloat32, std::move(out),
              std::move(options), 5);
}

Value GraphBuilder::batch_matmul(Value a, Value b, bool transpose_b) {
  if (!all_exist({a, b})) return {};
  const Shape left = shape(a), right = shape(b);
  const auto wrong = [&] { return fail(ErrorCode::kCorrupt, "batch_matmul of " + shapes({a, b})); };
  if (left.size() < 2 || right.size() < 2) return wrong();
  const int depth = transpose_b ? right.back() : right[right.size() - 2];
  const int columns = transpose_b ? right[right.size() - 2] : right.back();
  auto out = broadcast_shape({left.begin(), left.end() - 2}, {right.begin(), right.end() - 2});
  if (!out || left.back() != depth) return wrong();
  out->push_back(left[left.size() - 2]);
  out->push_back(columns);
  if (all_constant({a, b})) {
    const FloatTensor folded = fold_batch_matmul({left, values(a)}, {right, values(b)}, transpose_b, *out);
    return constant(folded.shape, folded.values);
  }
  Object options = Object::make("BatchMatMulOptions");
  if (transpose_b) options.set_integer("adj_y", 1);
  return emit(Op::kBatchMatmul, {a, b}, TensorType::kFloat32, *std::move(out), std::move(options));
}

Value GraphBuilder::binary(Op op, Value a, Value b) {
  if (!all_exist({a, b})) return {};
  auto out = broadcast_shape(shape(a), shape(b));
  if (!out) return fail(ErrorCode::kCorrupt, operator_name(op) + " of " + shapes({a, b}));
  if (all_constant({a, b})) {
    const FloatTensor folded = fold_binary(op, {shape(a), values(a)}, {shape(b), values(b)});
    return constant(folded.shape, folded.values);
  }
  return emit(op, {a, b}, tensor(a).type, *std::move(out), options_of(op));
}

Value GraphBuilder::activate(Value x, Activation activation) {
  if (activation == Activation::kNone) return x;
  return unary(activation == Activation::kRelu ? Op::kRelu : Op::kRelu6, x);
}

Value GraphBuilder::unary(Op op, Value x) {
  if (!x.exists()) return {};
  if (all_constant({x})) {
    const FloatTensor folded = fold_unary(op, {shape(x), values(x)});
    return constant(folded.shape, folded.values);
  }
  return emit(op, {x}, TensorType::kFloat32, shape(x), options_of(op));
}

Value GraphBuilder::gelu(Value x) {
  if (!x.exists()) return {};
  if (all_constant({x})) return unary(Op::kGelu, x);
  return emit(Op::kGelu, {x}, TensorType::kFloat32, shape(x), Object::make("GeluOptions"));
}

Value GraphBuilder::softmax(Value x) {
  if (!x.exists()) return {};
  if (all_constant({x})) {
    const FloatTensor folded = fold_softmax({shape(x), values(x)});
    return constant(folded.shape, folded.values);
  }
  Object options = Object::make("SoftmaxOptions");
  options.set_real("beta", 1.0f);
  return emit(Op::kSoftmax, {x}, TensorType::kFloat32, shape(x), std::move(options));
}

Value GraphBuilder::reduce(Op op, Value x, int axis) {
  if (!x.exists()) return {};
  Shape out = shape(x);
  if (axis < 0) axis += static_cast<int>(out.size());
  if (axis < 0 || axis >= static_cast<int>(out.size()))
    return fail(ErrorCode::kInvalidArgument,
                operator_name(op) + " over a dimension that " + text_of(out) + " has not");
  if (all_constant({x})) {
    const FloatTensor folded = fold_reduce(op, {out, values(x)}, axis);
    return constant(folded.shape, folded.values);
  }
  out[static_cast<std::size_t>(axis)] = 1;
  Object options = Object::make("ReducerOptions");
  options.set_integer("keep_dims", 1);
  return emit(op, {x, constant_integers({1}, {axis})}, TensorType::kFloat32, std::move(out),
              std::move(options));
}

}  // namespace assay::detect
