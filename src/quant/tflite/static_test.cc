#include "quant/tflite/static.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "formats/tflite/model_testing.h"
#include "formats/tflite/fuse_activations.h"
#include "quant/tflite/static_noise.h"
#include "quant/tflite/static_plan.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

using testing::ElementsAre;

// A graph under construction with a range for every tensor.
struct Net {
  ModelBuilder b;
  ActivationRanges ranges;

  int note(int tensor, float min, float max) {
    ranges.resize(b.model().main().tensors.size());
    ranges[static_cast<std::size_t>(tensor)] = Range{min, max};
    return tensor;
  }
  int input(float min = -1, float max = 1) { return note(b.input("x", {1, 4, 4, 2}), min, max); }
  int computed(Op op, std::vector<std::int32_t> inputs, float min, float max, const char* options = nullptr) {
    const int out = b.tensor("t" + std::to_string(b.model().main().tensors.size()), {1, 4, 4, 2});
    b.add(op, std::move(inputs), {out}, options);
    return note(out, min, max);
  }
  int conv(int x, float min, float max, float bias_value = 0.5f) {
    const int w = b.weights("w", {2, 1, 1, 2}, {1, -0.5f, 0.25f, 2});
    const int bias = b.weights("b", {2}, {bias_value, -0.25f});
    return computed(Op::kConv2d, {x, w, bias}, min, max, "Conv2DOptions");
  }
  Result<StaticResult> quantize(StaticOptions options = {}) {
    b.sign();
    ranges.resize(b.model().main().tensors.size());
    auto result = quantize_static(b.model(), ranges, options);
    if (result) {
      EXPECT_THAT(validate(result->model), IsOk());
    }
    return result;
  }
};

const Tensor& at(const Model& model, int tensor) {
  return model.main().tensors[static_cast<std::size_t>(tensor)];
}
const Operator& only(const Model& model, Op op) {
  const auto& ops = model.main().operators;
  const auto found = std::find_if(ops.begin(), ops.end(), [&](const Operator& o) { return o.op == op; });
  EXPECT_NE(found, ops.end()) << name_of(op);
  return *found;
}
std::vector<Op> ops_of(const Model& model) {
  std::vector<Op> ops;
  for (const Operator& op : model.main().operators) ops.push_back(op.op);
  return ops;
}
float scale_of(const Tensor& tensor) { return tensor.quantization.scale.at(0); }

TEST(ScaleParams, HoldZeroExactlyAndCoverTheRange) {
  Rng rng(7);
  for (int i = 0; i < 1000; ++i) {
    const Range range{static_cast<float>(-10 * rng.uniform() + 2),
                      static_cast<float>(10 * rng.uniform() + 2)};
    const ScaleParams params = scale_params(range, Activations::kInt8);
    const auto code = [&](float value) {
      return std::round(value / params.scale) + static_cast<float>(params.zero_point);
    };
    ASSERT_GE(params.zero_point, -128);
    ASSERT_LE(params.zero_point, 127);
    // One step at either end, for the zero point is rounded.
    ASSERT_GE(code(std::min(range.min, 0.0f)), -129) << "seed 7, round " << i;
    ASSERT_LE(code(std::max(range.max, 0.0f)), 128) << "seed 7, round " << i;
  }
  EXPECT_GT(scale_params({0, 0}, Activations::kInt8).scale, 0) << "of a tensor that is always zero";
}

TEST(QuantizeStatic, StandsBetweenFloatInputsAndOutputs) {
  Net net;
  net.b.output(net.conv(net.input(), -4, 4));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(ops_of(result->model), ElementsAre(Op::kQuantize, Op::kConv2d, Op::kDequantize));
  EXPECT_EQ(at(result->model, result->model.main().inputs[0]).type, TensorType::kFloat32);
  const Tensor& output = at(result->model, result->model.main().outputs[0]);
  EXPECT_EQ(output.type, TensorType::kFloat32);
  EXPECT_EQ(output.name, "t3") << "the name that the model promised";
  EXPECT_EQ(result->model.signatures[0].outputs[0].tensor,
            static_cast<std::uint32_t>(result->model.main().outputs[0]));
}

TEST(QuantizeStatic, GivesBiasesTheScaleOfInputTimesWeights) {
  Net net;
  net.b.output(net.conv(net.input(), -4, 4));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  const Operator& conv = only(result->model, Op::kConv2d);
  const Tensor& weights = at(result->model, conv.inputs[1]);
  const Tensor& bias = at(result->model, conv.inputs[2]);
  ASSERT_EQ(weights.quantization.scale.size(), 2u);
  EXPECT_FLOAT_EQ(weights.quantization.scale[0], 1.0f / 127);
  EXPECT_FLOAT_EQ(weights.quantization.scale[1], 2.0f / 127);
  EXPECT_EQ(bias.type, TensorType::kInt32);
  const float input_scale = scale_of(at(result->model, conv.inputs[0]));
  EXPECT_EQ(bias.quantization.scale[1], input_scale * weights.quantization.scale[1]);
  const auto codes = Data::borrow(result->model.data(bias)).values<std::int32_t>();
  EXPECT_NEAR(static_cast<float>(codes[0]) * bias.quantization.scale[0], 0.5f, bias.quantization.scale[0]);
}

TEST(QuantizeStatic, CorrectsBiasesWhereMeansOfChannelsAreKnown) {
  const auto second_bias = [](std::vector<float> means, bool correct) {
    Net net;
    const int x = net.input();
    net.b.output(net.conv(x, -4, 4));
    net.ranges[static_cast<std::size_t>(x)]->channel_means = std::move(means);
    StaticOptions options;
    options.correct_biases = correct;
    const auto result = net.quantize(options);
    EXPECT_THAT(result, IsOk());
    EXPECT_EQ(result->report.corrected_biases, correct ? 1u : 0u);
    const Tensor& bias = at(result->model, only(result->model, Op::kConv2d).inputs[2]);
    return static_cast<double>(Data::borrow(result->model.data(bias)).values<std::int32_t>()[1]) *
           static_cast<double>(bias.quantization.scale[1]);
  };
  // The weight 0.25 becomes 16 of 127 steps of 2: too large by 0.00197.
  const double error = 16 * 2.0 / 127 - 0.25;
  EXPECT_NEAR(second_bias({100, 0}, false), -0.25, 1e-4);
  EXPECT_NEAR(second_bias({100, 0}, true), -0.25 - 100 * error, 1e-4);
}

TEST(QuantizeStatic, MakesRoomForBiasesThatWouldOverflow) {
  Net net;
  net.b.output(net.conv(net.input(-1e-4f, 1e-4f), -4, 4, 1e6f));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  const Tensor& bias = at(result->model, only(result->model, Op::kConv2d).inputs[2]);
  const auto code = Data::borrow(result->model.data(bias)).values<std::int32_t>()[0];
  EXPECT_NEAR(static_cast<double>(code) * static_cast<double>(bias.quantization.scale[0]), 1e6, 1);
}

TEST(QuantizeStatic, WithInt8InputsAndOutputsNeedsNoTransition) {
  Net net;
  net.b.output(net.conv(net.input(), -4, 4));
  const auto result = net.quantize({.int8_io = true});
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(ops_of(result->model), ElementsAre(Op::kConv2d));
  EXPECT_EQ(at(result->model, result->model.main().inputs[0]).type, TensorType::kInt8);
  EXPECT_EQ(at(result->model, result->model.main().outputs[0]).type, TensorType::kInt8);
}

TEST(QuantizeStatic, GivesOneScaleToWhatIsOnlyMoved) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  const int pooled = net.computed(Op::kMaxPool2d, {y}, -1, 3, "Pool2DOptions");
  net.b.output(net.conv(pooled, -1, 1));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  const Operator& pool = only(result->model, Op::kMaxPool2d);
  EXPECT_EQ(scale_of(at(result->model, pool.inputs[0])), scale_of(at(result->model, pool.outputs[0])));
  EXPECT_FLOAT_EQ(scale_of(at(result->model, pool.outputs[0])), 8.0f / 255);
}

TEST(QuantizeStatic, ClipsWhatOnlyFeedsASigmoidWhereItSaturates) {
  Net net;
  const int logits = net.conv(net.input(), -1385, 2.7f);
  net.b.output(net.computed(Op::kLogistic, {logits}, 0, 0.9f));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  const Operator& logistic = only(result->model, Op::kLogistic);
  EXPECT_FLOAT_EQ(scale_of(at(result->model, logistic.inputs[0])), 10.7f / 255);
  EXPECT_EQ(scale_of(at(result->model, logistic.outputs[0])), 1.0f / 256);
  EXPECT_EQ(at(result->model, logistic.outputs[0]).quantization.zero_point[0], -128);
}

TEST(QuantizeStatic, ClipsTheInputOfASiluOnlyWhereItIsZero) {
  Net net;
  const int x = net.conv(net.input(), -92, 20);
  const int sigmoid = net.computed(Op::kLogistic, {x}, 0, 1);
  net.b.output(net.computed(Op::kMul, {x, sigmoid}, -1, 20, "MulOptions"));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_FLOAT_EQ(scale_of(at(result->model, only(result->model, Op::kLogistic).inputs[0])), 28.0f / 255);
}

TEST(QuantizeStatic, DoesNotClipLogitsThatAreReadElsewhere) {
  Net net;
  const int logits = net.conv(net.input(), -20, 20);
  const int sigmoid = net.computed(Op::kLogistic, {logits}, 0, 1);
  net.b.output(net.computed(Op::kAdd, {logits, sigmoid}, -1, 20, "AddOptions"));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_FLOAT_EQ(scale_of(at(result->model, only(result->model, Op::kLogistic).inputs[0])), 40.0f / 255);
}

TEST(QuantizeStatic, KeepsProbabilitiesApartFromBoxes) {
  Net net;
  const int logits = net.conv(net.input(), -4, 4);
  const int scores = net.computed(Op::kLogistic, {logits}, 0, 1);
  const int boxes = net.conv(0, 0, 640);
  net.b.output(net.computed(Op::kConcatenation, {boxes, scores}, 0, 640, "ConcatenationOptions"));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->report.wide_concats.size(), 1u);
  EXPECT_TRUE(result->report.wide_concats[0].kept_float);
  EXPECT_FLOAT_EQ(result->report.wide_concats[0].ratio, 640);
  EXPECT_EQ(at(result->model, only(result->model, Op::kConcatenation).inputs[1]).type, TensorType::kFloat32);
  const auto full = net.quantize({.full_integer = true});
  ASSERT_THAT(full, IsOk());
  EXPECT_EQ(at(full->model, only(full->model, Op::kConcatenation).inputs[1]).type, TensorType::kInt8);
  EXPECT_FALSE(full->report.wide_concats[0].kept_float);
}

// Boxes and logits in one tensor, which is turned over and put out.
Net boxes_and_logits() {
  Net net;
  const int x = net.input();
  const int boxes = net.computed(Op::kReshape, {net.conv(x, 0, 640)}, 0, 640);
  const int logits = net.computed(Op::kReshape, {net.conv(x, -4, 4)}, -4, 4);
  const int both = net.computed(Op::kConcatenation, {boxes, logits}, -4, 640, "ConcatenationOptions");
  net.b.output(net.computed(Op::kTranspose, {both}, -4, 640));
  return net;
}

TEST(QuantizeStatic, KeepsAWideConcatenationAtTheEndInFloat) {
  Net net = boxes_and_logits();
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->report.wide_concats.size(), 1u);
  EXPECT_TRUE(result->report.wide_concats[0].kept_float);
  EXPECT_FLOAT_EQ(result->report.wide_concats[0].ratio, 80);
  EXPECT_EQ(result->report.float_operators.at("CONCATENATION"), 1u);
  EXPECT_EQ(result->report.float_operators.at("TRANSPOSE"), 1u);
  EXPECT_EQ(result->report.int8_operators.at("RESHAPE"), 2u);
  std::vector<float> scales;
  for (const Operator& op : result->model.main().operators) {
    if (op.op == Op::kDequantize) scales.push_back(scale_of(at(result->model, op.inputs[0])));
  }
  EXPECT_THAT(scales, ElementsAre(testing::FloatEq(640.0f / 255), testing::FloatEq(8.0f / 255)));
}

TEST(QuantizeStatic, OnlyWarnsOfAWideConcatenationThatCannotBeSplit) {
  Net int8_out = boxes_and_logits();
  const auto as_asked = int8_out.quantize({.int8_io = true});
  ASSERT_THAT(as_asked, IsOk());
  EXPECT_FALSE(as_asked->report.wide_concats.at(0).kept_float) << "the output shares one scale in any case";
  Net read = boxes_and_logits();
  const int both = read.b.model().main().outputs[0];
  read.b.output(read.conv(both, -9, 9));
  const auto result = read.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(result->report.wide_concats.at(0).kept_float) << "a convolution reads it";
}

TEST(QuantizeStatic, LeavesIslandsInFloatWhereThereIsNoKernel) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  const int exp = net.computed(Op::kExp, {y}, 0, 50, "ExpOptions");
  const int sum = net.computed(Op::kAdd, {exp, exp}, 0, 100, "AddOptions");
  net.b.output(net.conv(sum, -9, 9));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(ops_of(result->model), ElementsAre(Op::kQuantize, Op::kConv2d, Op::kDequantize, Op::kExp,
                                                 Op::kAdd, Op::kQuantize, Op::kConv2d, Op::kDequantize));
  EXPECT_EQ(result->report.float_operators.at("EXP"), 1u);
}

TEST(QuantizeStatic, KeepsTheOperatorsInFloatThatItIsTold) {
  Net net;
  net.b.output(net.conv(net.input(), -4, 4));
  StaticOptions options;
  options.keep_float = [](const std::string& label) { return label.starts_with("CONV_2D"); };
  EXPECT_THAT(net.quantize(options), FailsWith(ErrorCode::kUnsupported, "kept in float"));
}

TEST(QuantizeStatic, NeedsARangeForEveryTensorItTouches) {
  Net net;
  const int x = net.input();
  const int y = net.conv(x, -4, 4);
  net.b.output(net.conv(y, -1, 1));
  net.ranges.resize(net.b.model().main().tensors.size());
  net.ranges[static_cast<std::size_t>(y)] = Range{0, INFINITY};
  EXPECT_THAT(net.quantize(), FailsWith(ErrorCode::kUnsupported, "no operator"));
  net.ranges.pop_back();
  EXPECT_THAT(quantize_static(net.b.model(), net.ranges, {}),
              FailsWith(ErrorCode::kInvalidArgument, "ranges"));
}

TEST(QuantizeStatic, MakesAChangeOfScaleOfAReluThatCannotBeFused) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  net.b.output(net.computed(Op::kRelu, {y}, 0, 4));
  net.b.output(net.computed(Op::kLogistic, {y}, 0, 1));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(ops_of(result->model), ElementsAre(Op::kQuantize, Op::kConv2d, Op::kQuantize, Op::kLogistic,
                                                 Op::kDequantize, Op::kDequantize));
}

TEST(QuantizeStatic, LeavesInFloatWhatIsSlowAsInt8) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  net.b.output(net.conv(net.computed(Op::kHardSwish, {y}, -1, 4), -1, 1));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.float_operators.at("HARD_SWISH"), 1u);
}

// x, a first convolution whose output has the given range and rms, an activation, a second convolution of
// rms 1.
Net two_convolutions(float range, float rms) {
  Net net;
  const int y = net.conv(net.input(), -range, range);
  net.ranges[static_cast<std::size_t>(y)]->rms = rms;
  const int z = net.computed(Op::kElu, {y}, -1, range);
  const int out = net.conv(z, -4, 4);
  net.ranges[static_cast<std::size_t>(out)]->rms = 1;
  net.b.output(net.conv(out, -4, 4));
  return net;
}

TEST(QuantizeStatic, KeepsInFloatWhatWouldDrownInTheRoundingOfItsInput) {
  Net net = two_convolutions(127, 0.5f);
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.too_noisy.size(), 3u) << "both convolutions and what lies between";
  EXPECT_EQ(result->report.int8_operators.at("CONV_2D"), 1u);
  Net again = two_convolutions(127, 0.5f);
  const auto all = again.quantize({.least_snr = 0});
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->report.int8_operators.at("CONV_2D"), 3u);
}

TEST(QuantizeStatic, QuantizesWhatKeepsItsSignal) {
  Net net = two_convolutions(4, 1);
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->report.too_noisy.empty());
}

TEST(PredictedSnr, IsThatOfIndependentRoundingErrors) {
  Net net = two_convolutions(127, 0.5f);
  net.ranges.resize(net.b.model().main().tensors.size());
  const StaticPlan plan = plan_static(net.b.model(), net.ranges, {}, {});
  const auto snr = predicted_snr(net.b.model(), net.ranges, plan);
  // Steps of 254/255 of the first convolution and 128/255 of the activation; weights of mean square
  // gain 2.65625.
  const double noise = (std::pow(254.0 / 255, 2) + std::pow(128.0 / 255, 2)) / 12 * 5.3125 / 2;
  EXPECT_NEAR(snr[2], 10 * std::log10(1 / noise), 1e-3);
  EXPECT_TRUE(std::isinf(snr[3])) << "nothing is known about the last output";
}

TEST(QuantizeStatic, SharesWeightsThatHeadsShare) {
  Net net;
  const int x = net.input();
  const int y = net.conv(x, -4, 4);
  const int again = net.computed(Op::kConv2d, {x, 1, 2}, -4, 4, "Conv2DOptions");
  net.b.output(y);
  net.b.output(again);
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  std::vector<int> weights;
  for (const Operator& op : result->model.main().operators) {
    if (op.op == Op::kConv2d) weights.push_back(op.inputs[1]);
  }
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0], weights[1]);
}

TEST(FuseActivations, PutsReluIntoTheOperatorBefore) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  net.b.output(net.computed(Op::kRelu6, {y}, 0, 4));
  const auto result = net.quantize();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.fused_activations, 1u);
  const Operator& conv = only(result->model, Op::kConv2d);
  EXPECT_EQ(conv.options.integer("fused_activation_function"), 3);
  EXPECT_FLOAT_EQ(scale_of(at(result->model, conv.outputs[0])), 4.0f / 255)
      << "the range behind the activation";
}

TEST(FuseActivations, LeavesOutputsAndSharedTensorsAlone) {
  Net net;
  const int y = net.conv(net.input(), -4, 4);
  net.b.output(net.computed(Op::kRelu, {y}, 0, 4));
  net.b.output(y);
  EXPECT_EQ(fuse_activations(net.b.model()), 0u);
}

}  // namespace
}  // namespace assay::tflite
