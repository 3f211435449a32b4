// Writes a .tflite graph operator by operator: shapes are inferred and checked, what depends on constants
// alone is computed now, activations go into the operator before them, PyTorch's paddings become the
// runtime's. Source: the kernels' shape rules in LiteRT (tflite/kernels/*.cc) and XNNPACK's in its delegate.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/tflite/model.h"

namespace assay::detect {

using Shape = std::vector<std::int32_t>;

// A tensor of the graph under construction; means something to the builder that gave it only. One that does
// not exist comes from an operation that failed, and every operation on it gives another one: the first
// failure is what finish() reports.
struct Value {
  int tensor = -1;
  bool exists() const { return tensor >= 0; }
};

enum class Activation { kNone = 0, kRelu = 1, kRelu6 = 3 };  // numbers of ActivationFunctionType

// As PyTorch's convolutions and pools describe it, the same for rows and columns; rows and columns beyond the
// input count as 0 for convolutions and as -infinity for maxima.
struct Window {
  int stride = 1;
  int dilation = 1;
  int padding = 0;
  int padding_after = 0;  // at the lower and right end, beside `padding`
  bool ceil_mode =
      false;  // of average pools: the last window may reach beyond the input, which does not count
};

// Pictures are [1, height, width, channels]. Not thread safe.
class GraphBuilder {
 public:
  GraphBuilder();

  Value input(std::string name, Shape shape);
  // Float32, row-major. The same name, shape and bytes again are the same constant. An error where `data` does
  // not fill the shape.
  Value constant(std::string name, Shape shape, tflite::Data data);
  Value constant(Shape shape, const std::vector<float>& values);
  Value constant(float value) { return constant({1}, {value}); }
  Value constant_integers(Shape shape, const std::vector<std::int32_t>& values);
  void output(std::string name, Value value);

  // What tensors made from now on are called: "<scope>/<operator>".
  void set_scope(std::string scope) { scope_ = std::move(scope); }

  const Shape& shape(Value value) const;
  // 1 for a value that does not exist, so that arithmetic on extents stays harmless.
  int extent(Value value, int dimension) const;
  bool is_constant(Value value) const;
  // Of a float32 constant.
  std::vector<float> values(Value value) const;

  // weights [out, height, width, in], bias [out]
  Value conv2d(Value x, Value weights, Value bias, const Window& window);
  // weights [1, height, width, channels], bias [channels]
  Value depthwise_conv2d(Value x, Value weights, Value bias, const Window& window);
  Value max_pool2d(Value x, int size, const Window& window);
  Value average_pool2d(Value x, int size, const Window& window);
  // weights [out, in], bias [out]; x [..., in]
  Value fully_connected(Value x, Value weights, Value bias);
  // a [..., n, k], b [..., k, m] or transposed [..., m, k]; leading dimensions are broadcast
  Value batch_matmul(Value a, Value b, bool transpose_b);

  // Elementwise, broadcast as numpy does.
  Value add(Value a, Value b) { return binary(tflite::Op::kAdd, a, b); }
  Value sub(Value a, Value b) { return binary(tflite::Op::kSub, a, b); }
  Value mul(Value a, Value b) { return binary(tflite::Op::kMul, a, b); }
  Value div(Value a, Value b) { return binary(tflite::Op::kDiv, a, b); }
  Value maximum(Value a, Value b) { return binary(tflite::Op::kMaximum, a, b); }
  Value minimum(Value a, Value b) { return binary(tflite::Op::kMinimum, a, b); }
  Value squared_difference(Value a, Value b) { return binary(tflite::Op::kSquaredDifference, a, b); }

  Value activate(Value x, Activation activation);
  Value relu(Value x) { return activate(x, Activation::kRelu); }
  // One of LOGISTIC, TANH, EXP, LOG, SQRT, RSQRT, NEG, ABS, FLOOR, SIN, COS, SQUARE.
  Value unary(tflite::Op op, Value x);
  Value logistic(Value x) { return unary(tflite::Op::kLogistic, x); }
  // Of the ways to write it, the one that XNNPACK computes fastest.
  Value silu(Value x) { return mul(x, logistic(x)); }
  Value gelu(Value x);     // x * Phi(x), by erf
  Value softmax(Value x);  // over the last dimension

  // Over one dimension, which stays as 1. MEAN, SUM or REDUCE_MAX.
  Value reduce(tflite::Op op, Value x, int axis);

  Value reshape(Value x, Shape shape);
  Value transpose(Value x, const std::vector<std::int32_t>& order);
  Value concat(const std::vector<Value>& parts, int axis);
  Value slice(Value x, const std::vector<std::int32_t>& begin, const Shape& size);
  Value pad(Value x, const std::vector<std::int32_t>& before, const std::vector<std::int32_t>& after);
  Value resize_nearest(Value x, int height, int width);
  Value resize_bilinear(Value x, int height, int width, bool align_corners, bool half_pixel_centers);
  // Rows of `x` along `axis`; indices int32. The leading `batch_dims` dimensions of both belong together.
  Value gather(Value x, Value indices, int axis, int batch_dims);
  // The k largest of the last dimension, best first: values and int32 indices.
  std::pair<Value, Value> top_k(Value x, int k);
  Value cast(Value x, tflite::TensorType type);
  // The running sum over one dimension.
  Value cumsum(Value x, int axis);

  // Notes a failure; the first one stays.
  Value fail(ErrorCode code, std::string message);
  // The first failure so far; what is asked of extents after it means nothing.
  Status status() const { return error_ ? Status(*error_) : Status(); }

  // The model with one signature, without what no output needs. `metadata`: name and bytes. The builder is
  // empty after it. Errors: the first failure.
  Result<tflite::Model> finish(std::string description,
                               const std::vector<std::pair<std::string, std::string>>& metadata);

 private:
  using Options = tflite::Object;
  Value new_tensor(std::string name, tflite::TensorType type, Shape shape);
  Value emit(tflite::Op op, const std::vector<Value>& inputs, tflite::TensorType type, Shape shape,
             Options options, int version = 1);
  Value binary(tflite::Op op, Value a, Value b);
  Value pool2d(tflite::Op op, Value x, int size, const Window& window);
  Value convolve(tflite::Op op, Value x, Value weights, Value bias, const Window& window);
  bool all_exist(const std::vector<Value>& values) const;
  bool all_constant(const std::vector<Value>& values) const;
  const tflite::Tensor& tensor(Value value) const;
  std::string shapes(const std::vector<Value>& values) const;

  tflite::Model model_;
  std::vector<tflite::TensorName> inputs_, outputs_;
  std::vector<int> producer_;  // by tensor: the operator that writes it, -1
  std::map<std::tuple<tflite::TensorType, Shape, std::string>, int> small_constants_;
  std::map<std::string, int> constants_;  // by the name asked for: the first of that name
  std::string scope_;
  std::map<std::string, int> names_;
  std::optional<Error> error_;
};

}  // namespace assay::detect
