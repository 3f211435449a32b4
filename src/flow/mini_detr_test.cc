// The detector that the program carries, against what transformers makes of it: tests/goldens/mini_detr.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "flow/convert_detector.h"
#include "flow/detector.h"
#include "flow/model_registry.h"
#include "scenes/scene.h"
#include "support/testing.h"

namespace assay {
namespace {

// Of queries that see something (best class above 0.3) and of all, in PROVENANCE.md: how far transformers'
// own float32 is from float64. Ours may be as far on the other side, and once more for the order of its sums.
constexpr double kSureLogits = 3 * 4.0e-4, kSureBoxes = 3 * 1.3e-5, kLogits = 3 * 2.2e-3, kBoxes = 3 * 1.8e-4;
constexpr std::size_t kClasses = 10;

double sure_share(const std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return std::exp(*std::max_element(logits.begin(), logits.begin() + kClasses) - largest) / sum;
}

std::vector<float> output(litert::Runner& runner, const std::string& name) {
  for (std::size_t i = 0; i < runner.outputs().size(); ++i) {
    if (runner.outputs()[i].name != name) continue;
    std::vector<float> values(runner.outputs()[i].num_bytes() / sizeof(float));
    EXPECT_THAT(runner.read_output(i, std::as_writable_bytes(std::span(values))), IsOk());
    return values;
  }
  return {};
}

void expect_close(const std::vector<float>& found, const nlohmann::json& rows, const nlohmann::json& logits,
                  double of_sure, double of_all) {
  std::size_t at = 0;
  for (std::size_t query = 0; query < rows.size(); ++query) {
    const double bound = sure_share(logits[query]) > 0.3 ? of_sure : of_all;
    for (const double expected : rows[query]) {
      ASSERT_LT(at, found.size());
      // Written so that NaN fails.
      EXPECT_TRUE(std::abs(found[at] - expected) <= bound)
          << "query " << query << ": " << found[at] << " for " << expected;
      ++at;
    }
  }
  EXPECT_EQ(at, found.size());
}

TEST(MiniDetr, LiesInAFolderThatOtherWeightsDoNotShare) {
  const auto weights = read_bytes(std::filesystem::path(ASSAY_MINI_DETR) / "model.safetensors");
  ASSERT_EQ(carried_models().size(), 1u);
  EXPECT_EQ(carried_models().front().folder, "mini-detr-" + sha256_of(as_bytes(weights)).substr(0, 8));
}

TEST(MiniDetr, GivesWhatTransformersMakesOfItOnDrawnScenes) {
  const std::filesystem::path folder = ASSAY_MINI_DETR;
  const auto golden_outputs = nlohmann::json::parse(read_bytes(golden("mini_detr/outputs.json")));
  ASSERT_EQ(sha256_of(as_bytes(read_bytes(folder / "model.safetensors"))), golden_outputs["model_sha256"]);
  TempDir temporary;
  const auto file = temporary / "mini-detr.tflite";
  const auto conversion = convert_detector_folder(folder, file, {});
  ASSERT_THAT(conversion, IsOk());
  EXPECT_EQ(conversion->size, (detect::InputSize{256, 256}));
  const auto model = CheckedTflite::open(file);
  ASSERT_THAT(model, IsOk());
  const auto library = litert::Library::open();
  ASSERT_THAT(library, IsOk());
  const auto detector = Detector::create(*model, *library, {});
  ASSERT_THAT(detector, IsOk());
  auto runner = model->run_with(*library, {});
  ASSERT_THAT(runner, IsOk());
  ASSERT_EQ(golden_outputs["scenes"].size(), 3u);
  for (const auto& expected : golden_outputs["scenes"]) {
    const auto scene = scenes::draw_scene(golden_outputs["seed"], expected["index"], {});
    ASSERT_THAT(scene, IsOk());
    const auto input = detector->input().prepare(scene->image);
    ASSERT_THAT(input, IsOk());
    ASSERT_THAT(set_inputs(*runner, *input), IsOk());
    ASSERT_THAT(runner->invoke(), IsOk());
    expect_close(output(*runner, "logits"), expected["logits"], expected["logits"], kSureLogits, kLogits);
    expect_close(output(*runner, "pred_boxes"), expected["boxes"], expected["logits"], kSureBoxes, kBoxes);
  }
}

TEST(MiniDetr, SeesPaddedPicturesWhereTheyLie) {
  TempDir temporary;
  const auto file = temporary / "padded.tflite";
  ASSERT_THAT(convert_detector_folder(ASSAY_MINI_DETR, file, {.size = detect::InputSize{256, 384}},
                                      {.padding = true}),
              IsOk());
  const auto model = CheckedTflite::open(file);
  ASSERT_THAT(model, IsOk());
  const auto library = litert::Library::open();
  ASSERT_THAT(library, IsOk());
  auto detector = Detector::create(*model, *library, {.score_threshold = 0.9f});
  ASSERT_THAT(detector, IsOk());
  const auto scene = scenes::draw_scene(3, 3, {});
  ASSERT_THAT(scene, IsOk());
  const auto input = detector->input().prepare(scene->image);
  ASSERT_THAT(input, IsOk());
  ASSERT_EQ(input->inputs.size(), 2u);
  EXPECT_EQ(input->width, 256);
  std::vector<float> mask(input->inputs[1].size() / sizeof(float));
  std::memcpy(mask.data(), input->inputs[1].data(), input->inputs[1].size());
  for (std::size_t i = 0; i < mask.size(); ++i) ASSERT_EQ(mask[i], i % 384 < 256 ? 1.0f : 0.0f) << i;
  const auto found = detector->detect(scene->image);
  ASSERT_THAT(found, IsOk());
  // Each sure box lies on an object of its category.
  int sure = 0;
  for (const auto& box : found->detections) {
    if (box.score < 0.9f) continue;
    ++sure;
    EXPECT_TRUE(std::any_of(scene->objects.begin(), scene->objects.end(),
                            [&](const auto& object) {
                              return static_cast<int>(object.category) == box.class_index &&
                                     std::abs(object.left - box.left) < 12 &&
                                     std::abs(object.top - box.top) < 12 &&
                                     std::abs(object.right - box.right) < 12 &&
                                     std::abs(object.bottom - box.bottom) < 12;
                            }))
        << box.left << " " << box.top << " class " << box.class_index;
  }
  EXPECT_GE(sure, 1);
}

}  // namespace
}  // namespace assay
