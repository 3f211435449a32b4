#include "quant/tflite/constants.h"

#include "formats/tflite/model_testing.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

Object sparse_dimension(bool sparse, int size, std::vector<std::uint8_t> segments,
                        std::vector<std::uint8_t> indices) {
  Object dimension = Object::make("DimensionMetadata");
  dimension.set_integer("format", sparse ? 1 : 0);
  if (!sparse) {
    dimension.set_integer("dense_size", size);
    return dimension;
  }
  Object vector = Object::make("Uint8Vector");
  vector.set_data("values", Data::own_values(segments));
  dimension.set_integer("array_segments_type", 3);
  dimension.set_tables("array_segments", {vector});
  vector.set_data("values", Data::own_values(indices));
  dimension.set_integer("array_indices_type", 3);
  dimension.set_tables("array_indices", {vector});
  return dimension;
}

// [[1, 0, 0], [0, 0, 2]] as rows of compressed columns.
ModelBuilder sparse_model(std::vector<std::uint8_t> indices = {0, 2}) {
  ModelBuilder b;
  const int x = b.input("x", {2, 3});
  const int w = b.constant("w", {2, 3}, std::vector<float>{1, 2}, TensorType::kFloat32);
  Object sparsity = Object::make("SparsityParameters");
  sparsity.set_data("traversal_order", Data::own_values(std::vector<std::int32_t>{0, 1}));
  sparsity.set_tables("dim_metadata", {sparse_dimension(false, 2, {}, {}),
                                       sparse_dimension(true, 0, {0, 1, 2}, std::move(indices))});
  b.model().main().tensors[static_cast<std::size_t>(w)].rest.set_tables("sparsity", {sparsity});
  const int dense = b.tensor("dense", {2, 3});
  b.add(Op::kDensify, {w}, {dense}, "DensifyOptions");
  const int y = b.tensor("y", {2, 3});
  b.add(Op::kMul, {x, dense}, {y}, "MulOptions");
  b.output(y);
  return b;
}

TEST(FoldConstants, ComputesDensifyNow) {
  ModelBuilder b = sparse_model();
  ASSERT_THAT(fold_constants(b.model()), IsOk());
  ASSERT_EQ(b.model().main().operators.size(), 1u);
  EXPECT_EQ(float_values(b.model(), b.model().main().tensors[2]).value(),
            (std::vector<float>{1, 0, 0, 0, 0, 2}));
}

TEST(FoldConstants, RefusesSparsityThatLeavesTheShape) {
  ModelBuilder b = sparse_model({0, 3});
  EXPECT_THAT(fold_constants(b.model()), FailsWith(ErrorCode::kCorrupt, "'w'"));
}

TEST(FoldConstants, ComputesDequantizeOfHalvesNow) {
  ModelBuilder b;
  const int x = b.input("x", {2});
  const int half = b.constant("half", {2}, std::vector<std::uint16_t>{0x3c00, 0xc000}, TensorType::kFloat16);
  const int w = b.tensor("w", {2});
  b.add(Op::kDequantize, {half}, {w});
  const int y = b.tensor("y", {2});
  b.add(Op::kAdd, {x, w}, {y}, "AddOptions");
  b.output(y);
  ASSERT_THAT(fold_constants(b.model()), IsOk());
  EXPECT_EQ(b.model().main().operators.size(), 1u);
  EXPECT_EQ(float_values(b.model(), b.model().main().tensors[2]).value(), (std::vector<float>{1, -2}));
}

TEST(FloatValues, UsesTheScaleOfEachChannel) {
  ModelBuilder b;
  const int w = b.constant("w", {2, 2}, std::vector<std::int8_t>{1, 2, 3, 4}, TensorType::kInt8);
  Tensor& tensor = b.model().main().tensors[static_cast<std::size_t>(w)];
  tensor.quantization.scale = {10, 0.5f};
  tensor.quantization.zero_point = {0, 2};
  tensor.quantization.dimension = 0;
  EXPECT_EQ(float_values(b.model(), tensor).value(), (std::vector<float>{10, 20, 0.5f, 1}));
  tensor.quantization.dimension = 1;
  EXPECT_EQ(float_values(b.model(), tensor).value(), (std::vector<float>{10, 0, 30, 1}));
}

}  // namespace
}  // namespace assay::tflite
