// Operators on constants, computed while a graph is built: in float64, rounded to float32 once per operator.
// REQUIRES throughout: shapes that the operator allows and values that fill them; GraphBuilder has checked
// both.
#pragma once
#include <vector>

#include "detect/graph/graph_builder.h"

namespace assay::detect {

struct FloatTensor {
  Shape shape;
  std::vector<float> values;
};

std::size_t element_count(const Shape& shape);
// "[2, 3]"
std::string text_of(const Shape& shape);
// The shape of an elementwise result; nothing when the two do not go together.
std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b);

FloatTensor fold_binary(tflite::Op op, const FloatTensor& a, const FloatTensor& b);
// Also RELU, RELU6 and GELU.
FloatTensor fold_unary(tflite::Op op, const FloatTensor& x);
FloatTensor fold_softmax(const FloatTensor& x);
FloatTensor fold_reduce(tflite::Op op, const FloatTensor& x, int axis);
FloatTensor fold_transpose(const FloatTensor& x, const std::vector<std::int32_t>& order);
FloatTensor fold_concat(const std::vector<FloatTensor>& parts, int axis);
FloatTensor fold_slice(const FloatTensor& x, const std::vector<std::int32_t>& begin, const Shape& size);
FloatTensor fold_batch_matmul(const FloatTensor& a, const FloatTensor& b, bool transpose_b,
                              const Shape& shape);
FloatTensor fold_fully_connected(const FloatTensor& x, const FloatTensor& weights, const FloatTensor& bias);

}  // namespace assay::detect
