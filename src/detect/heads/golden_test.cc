// Against what torchvision and YOLOX themselves compute; see tests/goldens/heads/PROVENANCE.md.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "detect/heads/decode.h"
#include "detect/heads/decode_testing.h"
#include "detect/heads/nms.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

using Json = nlohmann::json;

Json golden_json(const std::string& name) { return Json::parse(read_bytes(golden("heads/" + name))); }

std::vector<Candidate> candidates_of(const Json& input) {
  std::vector<Candidate> candidates;
  const std::vector<float> boxes = input["boxes"], scores = input["scores"];
  const std::vector<int> classes = input["classes"];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float* box = boxes.data() + 4 * i;
    candidates.push_back({box[0], box[1], box[2], box[3], scores[i], classes[i]});
  }
  return candidates;
}

TEST(NmsGolden, SuppressesWhatTorchvisionDoesForEachFamily) {
  const std::map<std::string, ClassSeparation> separations = {
      {"torchvision", ClassSeparation::kTorchvision},
      {"ultralytics", ClassSeparation::kUltralytics},
      {"nanodet", ClassSeparation::kLargestCoordinate}};
  const Json golden = golden_json("nms.json");
  ASSERT_EQ(golden["cases"].size(), 30u);
  for (const Json& item : golden["cases"]) {
    const auto candidates = candidates_of(golden["inputs"][std::to_string(item["seed"].get<int>())]);
    const auto separation = separations.at(item["separation"]);
    auto kept = suppress(candidates, item["threshold"], separation);
    auto expected = item["kept"].get<std::vector<std::size_t>>();
    // Beyond 1,000 boxes torchvision sorts the survivors anew, and ties come out in no particular order.
    if (candidates.size() > 1000)
      std::sort(kept.begin(), kept.end()), std::sort(expected.begin(), expected.end());
    EXPECT_EQ(kept, expected) << item["separation"] << " " << item["seed"] << " " << item["threshold"];
  }
}

TEST(YoloxGolden, GivesTheDetectionsOfYoloxOnARealPicture) {
  const Json golden = golden_json("yolox.json");
  Output output = make_output("PartitionedCall:0", {1, 3549, 85});
  const std::vector<std::size_t> rows = golden["rows"];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<float> values = golden["values"][i];
    std::copy(values.begin(), values.end(),
              output.values.begin() + static_cast<std::ptrdiff_t>(rows[i] * 85));
  }
  const auto spec = default_input_spec(HeadKind::kYolox, {1, 416, 416, 3});
  ASSERT_THAT(spec, IsOk());
  const std::vector<Output> outputs = {output};
  const auto found =
      decode_detections(HeadKind::kYolox, outputs, 416, 416, place(golden["width"], golden["height"], *spec),
                        evaluation_options(HeadKind::kYolox));
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), golden["scores"].size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    const Detection& detection = (*found)[i];
    const std::vector<float> box = golden["boxes"][i];
    EXPECT_EQ(detection.class_index, golden["classes"][i].get<int>());
    EXPECT_EQ(detection.score, golden["scores"][i].get<float>());
    // The mapping back divides in double here and in float there: one rounding of numbers below 1024.
    const float coordinates[] = {detection.left, detection.top, detection.right, detection.bottom};
    for (std::size_t side = 0; side < 4; ++side) EXPECT_NEAR(coordinates[side], box[side], 1e-4) << i;
  }
}

std::vector<Output> outputs_of(const Json& item) {
  std::vector<Output> outputs;
  for (const Json& output : item["outputs"]) {
    outputs.push_back({{output["name"], output["shape"]}, output["values"].get<std::vector<float>>()});
  }
  return outputs;
}

TEST(FamilyGolden, GivesTheBoxesOfEachFamilysOwnCode) {
  const Json golden = golden_json("families.json");
  const int width = golden["width"], height = golden["height"];
  ASSERT_EQ(golden["cases"].size(), 9u);
  for (const Json& item : golden["cases"]) {
    const std::string name = item["head"];
    SCOPED_TRACE(name);
    const auto kind = head_from_name(name);
    ASSERT_THAT(kind, IsOk());
    const HeadOptions options{.score_threshold = item["score_threshold"],
                              .iou_threshold = item["iou_threshold"],
                              .max_detections = item.value("max_detections", 0),
                              .multi_label = item.value("multi_label", false)};
    const auto found =
        decode_detections(*kind, outputs_of(item), width, height, same_size(width, height), options);
    ASSERT_THAT(found, IsOk());
    const std::vector<float> scores = item["scores"], boxes = item["boxes"];
    const std::vector<int> classes = item["classes"];
    ASSERT_EQ(found->size(), scores.size());
    for (std::size_t i = 0; i < found->size(); ++i) {
      const Detection& detection = (*found)[i];
      EXPECT_EQ(detection.class_index, classes[i]) << i;
      // A softmax or power in float differs by a few roundings between libraries.
      EXPECT_NEAR(detection.score, scores[i], 1e-6) << i;
      const float coordinates[] = {detection.left, detection.top, detection.right, detection.bottom};
      for (std::size_t side = 0; side < 4; ++side)
        EXPECT_NEAR(coordinates[side], boxes[4 * i + side], 1e-4) << i;
    }
  }
}

}  // namespace
}  // namespace assay::detect
