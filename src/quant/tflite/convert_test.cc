#include "quant/tflite/convert.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "formats/tflite/model_testing.h"
#include "quant/tflite/constants.h"
#include "quant/tflite/weights.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

constexpr std::uint64_t kSeed = 4;

std::vector<float> random_values(std::size_t count) {
  Rng rng(kSeed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

// One operator with 8 x 16 x 16 weights (its last argument the channel dimension's place), one input, one
// output.
ModelBuilder one_layer(Op op, const char* options, std::vector<std::int32_t> shape,
                       std::vector<float> values) {
  ModelBuilder b;
  const int x = b.input("x", {1, 16, 16, 16});
  const int w = b.weights("w", std::move(shape), values);
  const int y = b.tensor("y", {1, 16, 16, 8});
  b.add(op, {x, w, -1}, {y}, options);
  b.output(y);
  b.sign();
  return b;
}
ModelBuilder conv() { return one_layer(Op::kConv2d, "Conv2DOptions", {8, 1, 16, 16}, random_values(2048)); }

const Tensor& find(const Model& model, TensorType type) {
  const auto& tensors = model.main().tensors;
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.type == type; });
  EXPECT_NE(found, tensors.end());
  return *found;
}

TEST(QuantizeFloat16, HalvesTheWeightsAndKeepsTheGraphFloat) {
  const auto result = quantize_float16(conv().model());
  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(validate(result->model), IsOk());
  EXPECT_EQ(result->model.data(find(result->model, TensorType::kFloat16)).size(), 2u * 2048);
  EXPECT_EQ(result->model.main().operators[0].op, Op::kDequantize);
  EXPECT_EQ(result->report.converted, 1u);
  EXPECT_LT(write(result->model)->size(), 2u * 2048 + 1000);
}

TEST(QuantizeFloat16, OfAFloat16FileGivesTheSameFile) {
  const auto once = quantize_float16(conv().model());
  ASSERT_THAT(once, IsOk());
  const auto twice = quantize_float16(once->model);
  ASSERT_THAT(twice, IsOk());
  EXPECT_EQ(float_values(twice->model, find(twice->model, TensorType::kFloat16)).value(),
            float_values(once->model, find(once->model, TensorType::kFloat16)).value());
  EXPECT_EQ(twice->model.main().operators.size(), 2u);
}

TEST(QuantizeFloat16, LeavesValuesAloneThatFloat16CannotHold) {
  auto values = random_values(2048);
  values[7] = 70000;
  const auto result =
      quantize_float16(one_layer(Op::kConv2d, "Conv2DOptions", {8, 1, 16, 16}, values).model());
  EXPECT_THAT(result, FailsWith(ErrorCode::kUnsupported, "float16"));
}

TEST(QuantizeFloat16, LeavesConstantsOfCustomOperatorsAlone) {
  ModelBuilder b = conv();
  const int anchors = b.weights("anchors", {200}, random_values(200));
  b.add(Op::kCustom, {2, anchors}, {b.tensor("z", {1})}).custom_code = "Mine";
  const auto result = quantize_float16(b.model());
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.kept, 1u);
}

TEST(RestoreFloat32, UndoesFloat16) {
  const auto half = quantize_float16(conv().model());
  ASSERT_THAT(half, IsOk());
  const auto whole = restore_float32(half->model);
  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(whole->model.main().operators.size(), 1u);
  EXPECT_EQ(whole->model.data(find(whole->model, TensorType::kFloat32)).size(), 0u)
      << "the input comes first";
  EXPECT_EQ(whole->report.converted, 1u);
}

TEST(QuantizeInt8Weights, KeepsEveryValueWithinHalfAStep) {
  const auto values = random_values(2048);
  const std::vector<std::int32_t> shape{8, 1, 16, 16};
  const QuantizedWeights q = quantize_weights(values, shape, 0);
  ASSERT_EQ(q.scale.size(), 8u);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float scale = q.scale[i / 256];
    // Half a step, and the rounding of the division.
    ASSERT_LE(std::fabs(values[i] - scale * q.values[i]), scale * 0.5001f) << "seed " << kSeed << " at " << i;
    ASSERT_NE(q.values[i], -128);
  }
}

TEST(QuantizeInt8Weights, SurvivesChannelsOfZerosAndNaN) {
  const std::vector<float> values{0, 0, 1, NAN};
  const QuantizedWeights q = quantize_weights(values, std::vector<std::int32_t>{2, 2}, 0);
  EXPECT_EQ(q.values, (std::vector<std::int8_t>{0, 0, 127, 0}));
  EXPECT_GT(q.scale[0], 0);
}

TEST(QuantizeInt8Weights, DynamicGivesTheWeightsToTheOperatorItself) {
  const auto result = quantize_int8_weights(conv().model(), Int8Weights::kDynamic);
  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(validate(result->model), IsOk());
  ASSERT_EQ(result->model.main().operators.size(), 1u);
  const Operator& op = result->model.main().operators[0];
  EXPECT_EQ(result->model.main().tensors[static_cast<std::size_t>(op.inputs[1])].type, TensorType::kInt8);
}

TEST(QuantizeInt8Weights, LeavesDepthwiseArithmeticInFloat) {
  const auto values = random_values(2048);
  const auto result = quantize_int8_weights(
      one_layer(Op::kDepthwiseConv2d, "DepthwiseConv2DOptions", {1, 16, 16, 8}, values).model(),
      Int8Weights::kDynamic);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->model.main().operators[0].op, Op::kDequantize);
  EXPECT_EQ(find(result->model, TensorType::kInt8).quantization.dimension, 3);
}

TEST(QuantizeInt8Weights, NeverTouchesAProductOfTwoConstants) {
  ModelBuilder b = conv();
  const int a = b.weights("a", {1, 32, 64}, random_values(2048));
  const int c = b.weights("c", {1, 64, 32}, random_values(2048));
  const int z = b.tensor("z", {1, 32, 32});
  b.add(Op::kBatchMatmul, {a, c}, {z}, "BatchMatMulOptions");
  b.output(z);
  const auto result = quantize_int8_weights(b.model(), Int8Weights::kDynamic);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.converted, 1u);
}

TEST(QuantizeInt8Weights, KeepsTheOperatorsInFloatThatItIsTold) {
  const auto keep = [](const std::string& label) { return label == "CONV_2D y"; };
  EXPECT_THAT(quantize_int8_weights(conv().model(), Int8Weights::kDynamic, keep),
              FailsWith(ErrorCode::kUnsupported, "int8"));
}

}  // namespace
}  // namespace assay::tflite
