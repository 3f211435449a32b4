// What `assay quantize` writes of a .tflite model, as LiteRT runs it.
#include "flow/quantize_tflite.h"

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "flow/activation_ranges_file.h"
#include "flow/tflite_runner.h"
#include "formats/tflite/model_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 21;
constexpr std::int32_t kChannels = 4;

std::vector<float> normal(std::size_t count, float deviation, Rng& rng) {
  std::vector<float> values(count);
  for (float& value : values) value = deviation * static_cast<float>(rng.normal());
  return values;
}

// A head that puts boxes of hundreds of pixels and logits of a few units into one tensor, and turns it over.
struct Head {
  tflite::ModelBuilder b;
  tflite::ActivationRanges ranges;

  Head() {
    Rng rng(kSeed);
    const int x = note(b.input("x", {1, 8, 8, kChannels}), 4);
    const int boxes = branch(x, "boxes", 100, rng);
    const int logits = branch(x, "logits", 0.5f, rng);
    const int both = note(b.tensor("both", {1, 64, 2 * kChannels}), 1000);
    b.add(tflite::Op::kConcatenation, {boxes, logits}, {both}, "ConcatenationOptions")
        .options.set_integer("axis", 2);
    const int order = b.constant<std::int32_t>("order", {3}, {0, 2, 1}, tflite::TensorType::kInt32);
    const int out = note(b.tensor("out", {1, 2 * kChannels, 64}), 1000);
    b.add(tflite::Op::kTranspose, {both, order}, {out}, "TransposeOptions");
    b.output(out);
    b.sign();
    ranges.resize(b.model().main().tensors.size());
  }

  int note(int tensor, float limit) {
    ranges.resize(b.model().main().tensors.size());
    ranges[static_cast<std::size_t>(tensor)] = tflite::Range{-limit, limit, limit / 4};
    return tensor;
  }
  int branch(int x, const std::string& name, float deviation, Rng& rng) {
    const int w =
        b.weights(name + "/w", {kChannels, 1, 1, kChannels}, normal(kChannels * kChannels, deviation, rng));
    const int bias = b.weights(name + "/b", {kChannels}, normal(kChannels, deviation, rng));
    const int y = note(b.tensor(name + "/y", {1, 8, 8, kChannels}), 10 * deviation);
    auto& conv = b.add(tflite::Op::kConv2d, {x, w, bias}, {y}, "Conv2DOptions");
    conv.options.set_integer("stride_w", 1);
    conv.options.set_integer("stride_h", 1);
    const int shape =
        b.constant<std::int32_t>(name + "/shape", {3}, {1, 64, kChannels}, tflite::TensorType::kInt32);
    const int flat = note(b.tensor(name, {1, 64, kChannels}), 10 * deviation);
    b.add(tflite::Op::kReshape, {y, shape}, {flat}, "ReshapeOptions");
    return flat;
  }
};

// The file of the head, quantized; its outputs and those of the float one for one input.
class QuantizedHead : public testing::Test {
 protected:
  void SetUp() override {
    if (!litert::find_library()) GTEST_SKIP() << "needs libLiteRt.so";
    Head head;
    const auto bytes = tflite::write(head.b.model());
    ASSERT_THAT(bytes, IsOk());
    write_bytes(folder_ / "float.tflite", std::string(as_text(*bytes)));
    write_bytes(folder_ / "ranges.json", write_activation_ranges(head.ranges, head.b.model()));
    library_ = *litert::Library::open();
    options_.target = TfliteTarget::kInt8Static;
    options_.ranges = folder_ / "ranges.json";
  }
  Result<TfliteQuantizeReport> quantize() {
    NoProgress progress;
    ThreadPool pool(1);
    return quantize_tflite(folder_ / "float.tflite", folder_ / "out.tflite", options_, pool, progress);
  }
  std::vector<float> run(const std::string& name) {
    Rng rng(kSeed + 1);
    const auto input = normal(64 * kChannels, 1, rng);
    const auto checked = CheckedTflite::open(folder_ / name);
    EXPECT_THAT(checked, IsOk());
    auto runner = checked->run_with(library_, {});
    EXPECT_THAT(runner, IsOk());
    const auto outputs = runner->run({{ByteView(std::as_bytes(std::span(input)))}});
    EXPECT_THAT(outputs, IsOk());
    std::vector<float> values((*outputs)[0].size() / sizeof(float));
    std::memcpy(values.data(), (*outputs)[0].data(), (*outputs)[0].size());
    return values;
  }
  // Signal to noise ratio of half of the output: boxes first, then logits.
  double decibels(bool logits) {
    const auto expected = run("float.tflite"), actual = run("out.tflite");
    double signal = 0, noise = 0;
    const std::size_t half = expected.size() / 2;
    for (std::size_t i = logits ? half : 0; i < (logits ? expected.size() : half); ++i) {
      signal += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
      noise += std::pow(static_cast<double>(expected[i]) - static_cast<double>(actual[i]), 2);
    }
    return 10 * std::log10(signal / noise);
  }

  TempDir folder_;
  std::shared_ptr<const litert::Library> library_;
  TfliteQuantizeOptions options_;
};

TEST_F(QuantizedHead, KeepsThePrecisionOfBoxesAndOfLogits) {
  const auto report = quantize();
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->int8->wide_concats.size(), 1u);
  EXPECT_TRUE(report->int8->wide_concats[0].kept_float);
  EXPECT_GT(decibels(false), 30);
  EXPECT_GT(decibels(true), 30);
}

TEST_F(QuantizedHead, LosesTheLogitsWhereAllMustBeIntegers) {
  options_.full_integer = true;
  ASSERT_THAT(quantize(), IsOk());
  EXPECT_GT(decibels(false), 30);
  EXPECT_LT(decibels(true), 10) << "or the case says nothing";
}

TEST_F(QuantizedHead, IsMorePreciseWithInt16) {
  options_.full_integer = true;
  options_.activations = tflite::Activations::kInt16;
  ASSERT_THAT(quantize(), IsOk());
  EXPECT_GT(decibels(false), 40);
  EXPECT_GT(decibels(true), 40);
}

TEST_F(QuantizedHead, WritesRangesOnlyOfACalibration) {
  options_.write_ranges = folder_ / "found.json";
  EXPECT_THAT(quantize(), FailsWith(ErrorCode::kInvalidArgument, "--calibration"));
}

TEST(QuantizeTflite, WithWrittenRangesMakesTheSameFileAsTheirCalibration) {
  const auto model = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto pictures = shared_data("coco/train2017");
  if (!model || !pictures || !litert::find_library()) GTEST_SKIP() << "needs libLiteRt.so and ../shared";
  TempDir folder;
  NoProgress progress;
  ThreadPool pool(1);
  TfliteQuantizeOptions options;
  options.target = TfliteTarget::kInt8Static;
  options.calibration.emplace();
  options.calibration->pictures = *pictures;
  options.calibration->samples = 2;
  options.write_ranges = folder / "ranges.json";
  ASSERT_THAT(quantize_tflite(*model, folder / "a.tflite", options, pool, progress), IsOk());
  options.calibration.reset();
  options.ranges = std::exchange(options.write_ranges, {});
  ASSERT_THAT(quantize_tflite(*model, folder / "b.tflite", options, pool, progress), IsOk());
  EXPECT_TRUE(read_bytes(folder / "a.tflite") == read_bytes(folder / "b.tflite"));
}

}  // namespace
}  // namespace assay
