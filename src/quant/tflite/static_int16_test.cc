// Static quantization with int16 activations.
#include <cmath>

#include "formats/tflite/model_testing.h"
#include "quant/tflite/static.h"
#include "quant/tflite/static_plan.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

// y = logistic(conv(x) + conv(x)), with a range for every tensor.
Result<StaticResult> quantize(float bias_value, Op last = Op::kLogistic) {
  ModelBuilder b;
  const int x = b.input("x", {1, 4, 4, 2});
  const int w = b.weights("w", {2, 1, 1, 2}, {1, -0.5f, 0.25f, 2});
  const int bias = b.weights("b", {2}, {bias_value, -0.25f});
  const int conv = b.tensor("conv", {1, 4, 4, 2});
  b.add(Op::kConv2d, {x, w, bias}, {conv}, "Conv2DOptions");
  const int sum = b.tensor("sum", {1, 4, 4, 2});
  b.add(Op::kAdd, {conv, conv}, {sum}, "AddOptions");
  const int y = b.tensor("y", {1, 4, 4, 2});
  b.add(last, {sum}, {y});
  b.output(y);
  b.sign();
  ActivationRanges ranges(b.model().main().tensors.size());
  ranges[static_cast<std::size_t>(x)] = Range{-0.5f, 1};
  ranges[static_cast<std::size_t>(conv)] = Range{-4, 2};
  ranges[static_cast<std::size_t>(sum)] = Range{-8, 4};
  ranges[static_cast<std::size_t>(y)] = Range{0, 1};
  StaticOptions options;
  options.activations = Activations::kInt16;
  auto result = quantize_static(b.model(), ranges, options);
  if (result) {
    EXPECT_THAT(validate(result->model), IsOk());
  }
  return result;
}

const Tensor& at(const Model& model, int tensor) {
  return model.main().tensors[static_cast<std::size_t>(tensor)];
}
const Operator& only(const Model& model, Op op) {
  for (const Operator& found : model.main().operators) {
    if (found.op == op) return found;
  }
  ADD_FAILURE() << "no " << name_of(op);
  return model.main().operators.front();
}

TEST(QuantizeStaticInt16, CentersActivationsOnZero) {
  const auto result = quantize(0.5f);
  ASSERT_THAT(result, IsOk());
  const Operator& conv = only(result->model, Op::kConv2d);
  const Tensor& input = at(result->model, conv.inputs[0]);
  EXPECT_EQ(input.type, TensorType::kInt16);
  EXPECT_EQ(input.quantization.zero_point.at(0), 0);
  EXPECT_FLOAT_EQ(input.quantization.scale.at(0), 1.0f / 32767);
  const Tensor& output = at(result->model, conv.outputs[0]);
  EXPECT_EQ(output.type, TensorType::kInt16);
  EXPECT_FLOAT_EQ(output.quantization.scale.at(0), 4.0f / 32767);
  EXPECT_EQ(at(result->model, conv.inputs[1]).type, TensorType::kInt8);
}

TEST(QuantizeStaticInt16, HasBiasesOf64BitsThatHoldMoreThanOf32) {
  const auto result = quantize(1e6f);
  ASSERT_THAT(result, IsOk());
  const Tensor& bias = at(result->model, only(result->model, Op::kConv2d).inputs[2]);
  EXPECT_EQ(bias.type, TensorType::kInt64);
  const auto codes = Data::borrow(result->model.data(bias)).values<std::int64_t>();
  ASSERT_EQ(codes.size(), 2u);
  EXPECT_GT(codes[0], std::int64_t{1} << 32);
  EXPECT_NEAR(static_cast<double>(codes[0]) * static_cast<double>(bias.quantization.scale[0]), 1e6, 1);
  EXPECT_NEAR(static_cast<double>(codes[1]) * static_cast<double>(bias.quantization.scale[1]), -0.25, 1e-5);
}

TEST(QuantizeStaticInt16, AsksAdditionsForScalesThatAreNoPowersOfTwo) {
  const auto result = quantize(0.5f);
  ASSERT_THAT(result, IsOk());
  const Operator& add = only(result->model, Op::kAdd);
  EXPECT_EQ(add.options.integer("pot_scale_int16"), 0);
  EXPECT_EQ(add.version, 3);
}

TEST(QuantizeStaticInt16, GivesSigmoidsTheScaleOfTheSpecification) {
  const auto result = quantize(0.5f);
  ASSERT_THAT(result, IsOk());
  const Tensor& output = at(result->model, only(result->model, Op::kLogistic).outputs[0]);
  EXPECT_EQ(output.quantization.scale.at(0), 1.0f / 32768);
  EXPECT_EQ(output.quantization.zero_point.at(0), 0);
}

TEST(QuantizeStaticInt16, LeavesInFloatWhatHasNoSuchKernel) {
  const auto result = quantize(0.5f, Op::kElu);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.float_operators.at("ELU"), 1u);
}

TEST(KernelRule, OfInt16IsAlsoOneOfInt8WithTheSameRule) {
  for (int number = 0; number < 210; ++number) {
    const auto wide = kernel_rule(static_cast<Op>(number), Activations::kInt16);
    if (!wide) continue;
    const auto narrow = kernel_rule(static_cast<Op>(number), Activations::kInt8);
    ASSERT_TRUE(narrow) << number;
    EXPECT_EQ(wide->rule, narrow->rule) << number;
  }
}

}  // namespace
}  // namespace assay::tflite
