// Against what transformers computes from the same checkpoints, see tests/goldens/detr; made by
// tools/make_detr_goldens.py.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "detect/families/checkpoint_testing.h"
#include "detect/families/convert.h"
#include "detect/graph/run_testing.h"

namespace assay::detect {
namespace {

// How much further from the float64 result than transformers' own float32 result ours may be. Both round
// differently at every operator; the largest of some hundred errors varies by less than this between two
// orders of summation.
constexpr double kTimesTheirError = 4.0;

template <typename T>
std::vector<T> values(const SafetensorsFile& file, const std::string& name) {
  const TensorView* view = file.find(name);
  if (view == nullptr) return {};
  std::vector<T> result(view->bytes.size() / sizeof(T));
  std::memcpy(result.data(), view->bytes.data(), view->bytes.size());
  return result;
}

// Infinite where there is something to say against them before their difference.
double largest_error(const std::vector<float>& found, const std::vector<double>& expected) {
  if (found.size() != expected.size() || found.empty()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(found[i] - expected[i]);
    if (!(error <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, error);
  }
  return largest;
}

struct Golden {
  std::filesystem::path folder;
  LoadedTensors weights, expected;
  double their_error;
  nlohmann::json sizes, padded;

  explicit Golden(const std::string& name)
      : folder(golden("detr/" + name)),
        weights(load(folder / "model.safetensors")),
        expected(load(folder / "expected.safetensors")),
        their_error(std::stod(expected.file.metadata.at("float32_error"))),
        sizes(nlohmann::json::parse(expected.file.metadata.at("sizes"))),
        padded(nlohmann::json::parse(expected.file.metadata.at("padded"))) {}

  // Converts for the size of input `name`, runs that and compares.
  void check(const std::string& name, InputSize size, bool padding) const {
    const auto model =
        convert_detector(read_bytes(folder / "config.json"), {}, weights.map(), size, {.padding = padding});
    ASSERT_THAT(model, IsOk()) << name;
    std::vector<std::vector<float>> inputs = {values<float>(expected.file, name + ".pixel_values")};
    if (padding) {
      const auto mask = values<std::uint8_t>(expected.file, name + ".pixel_mask");
      inputs.emplace_back(mask.begin(), mask.end());
    }
    auto outputs = run(*model, inputs);
    for (const char* output : {"logits", "pred_boxes"}) {
      const double error =
          largest_error(outputs[output], values<double>(expected.file, name + "." + output + "64"));
      EXPECT_LE(error, kTimesTheirError * their_error) << name << " " << output;
      ::testing::Test::RecordProperty(name + "_" + output + "_error", std::to_string(error / their_error));
    }
    ::testing::Test::RecordProperty(name + "_operators", static_cast<int>(model->main().operators.size()));
  }
};

class FamilyGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(FamilyGolden, GivesWhatTransformersGivesAtTwoSizes) {
  const Golden golden(GetParam());
  ASSERT_GT(golden.their_error, 0);
  ASSERT_GE(golden.sizes.size(), 2u);
  for (const auto& [name, size] : golden.sizes.items())
    golden.check(name, {.height = size[0], .width = size[1]}, false);
}

INSTANTIATE_TEST_SUITE_P(Detr, FamilyGolden,
                         ::testing::Values("detr-native", "detr-native-v5", "detr-timm", "detr-dc5-timm",
                                           "conditional", "deformable", "deformable-single-scale",
                                           "deformable-refine", "deformable-two-stage", "yolos",
                                           "yolos-mid"));

class PaddedGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(PaddedGolden, GivesWhatTransformersGivesForAPaddedPicture) {
  const Golden golden(GetParam());
  ASSERT_EQ(golden.padded.size(), 4u);
  golden.check("padded", {.height = golden.padded[0], .width = golden.padded[1]}, true);
}

INSTANTIATE_TEST_SUITE_P(Detr, PaddedGolden,
                         ::testing::Values("detr-native", "detr-native-v5", "detr-timm", "detr-dc5-timm",
                                           "conditional", "deformable", "deformable-single-scale",
                                           "deformable-refine", "deformable-two-stage"));

INSTANTIATE_TEST_SUITE_P(RtDetr, FamilyGolden,
                         ::testing::Values("rtdetr-r18vd", "rtdetr-r50vd", "rtdetr-v2-r18vd"));

INSTANTIATE_TEST_SUITE_P(DFine, FamilyGolden, ::testing::Values("dfine", "dfine-two-levels"));

TEST(LargestError, RejectsNanZerosASignFlipAndOneStep) {
  const std::vector<double> exact = {0.5, -0.25};
  EXPECT_EQ(largest_error({0.5f, -0.25f}, exact), 0);
  EXPECT_GT(largest_error({0.5f, NAN}, exact), 1e9);
  EXPECT_GT(largest_error({0.5f}, exact), 1e9);
  EXPECT_GE(largest_error({0.0f, 0.0f}, exact), 0.5);
  EXPECT_GE(largest_error({0.5f, 0.25f}, exact), 0.5);
  EXPECT_GT(largest_error({std::nextafter(0.5f, 1.0f), -0.25f}, exact), 0);
}

}  // namespace
}  // namespace assay::detect
