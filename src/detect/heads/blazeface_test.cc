// Against MediaPipe; see tests/goldens/heads/PROVENANCE.md.
#include <nlohmann/json.hpp>

#include "detect/heads/choose_head.h"
#include "detect/heads/decode.h"
#include "detect/heads/decode_testing.h"
#include "detect/heads/nms.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

using Json = nlohmann::json;

std::vector<Output> nothing_seen(std::int64_t anchors) {
  return {make_output("regressors", {1, anchors, 16}), make_output("classificators", {1, anchors, 1}, -90)};
}

TEST(BlazefaceGolden, FindsTheFacesThatMediaPipeFinds) {
  const Json golden_file = Json::parse(read_bytes(golden("heads/blazeface.json")));
  ASSERT_EQ(golden_file["cases"].size(), 12u);
  std::size_t faces = 0;
  for (const Json& item : golden_file["cases"]) {
    SCOPED_TRACE(item["picture"].get<std::string>() + " " + std::to_string(item["side"].get<int>()));
    auto outputs = nothing_seen(item["anchors"]);
    const std::vector<std::size_t> rows = item["rows"];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t c = 0; c < 4; ++c) outputs[0].values[rows[i] * 16 + c] = item["regressors"][i][c];
      outputs[1].values[rows[i]] = item["logits"][i];
    }
    const int side = item["side"], width = item["width"], height = item["height"];
    const auto spec = default_input_spec(HeadKind::kBlazeface, {1, side, side, 3});
    ASSERT_THAT(spec, IsOk());
    HeadOptions options = evaluation_options(HeadKind::kBlazeface);
    options.score_threshold = item["threshold"];
    const auto found =
        decode_detections(HeadKind::kBlazeface, outputs, side, side, place(width, height, *spec), options);
    ASSERT_THAT(found, IsOk());
    ASSERT_EQ(found->size(), item["scores"].size());
    for (std::size_t i = 0; i < found->size(); ++i, ++faces) {
      const Detection& face = (*found)[i];
      const std::vector<double> box = item["boxes"][i];
      // The two builds of the network's kernels differ by some roundings of its float16 weights' products.
      EXPECT_NEAR(face.score, item["scores"][i], 1e-5);
      EXPECT_NEAR(face.left / width, box[0], 1e-5);
      EXPECT_NEAR(face.top / height, box[1], 1e-5);
      EXPECT_NEAR(face.right / width, box[2], 1e-5);
      EXPECT_NEAR(face.bottom / height, box[3], 1e-5);
    }
  }
  EXPECT_GT(faces, 10u);
}

TEST(Blazeface, IsKnownByItsOutputsInEitherOrder) {
  std::vector<OutputInfo> outputs = {{"a", {1, 896, 16}}, {"b", {1, 896, 1}}};
  EXPECT_EQ(choose_head(outputs, 128, 128).value(), HeadKind::kBlazeface);
  std::swap(outputs[0], outputs[1]);
  EXPECT_EQ(choose_head(outputs, 128, 128).value(), HeadKind::kBlazeface);
  EXPECT_EQ(class_count(HeadKind::kBlazeface, outputs, 128, 128).value(), 1);
  EXPECT_FALSE(choose_head(outputs, 192, 192));
}

TEST(Blazeface, LeavesOutBoxesOfNegativeSize) {
  auto outputs = nothing_seen(896);
  outputs[1].values[7] = 5;
  outputs[0].values[7 * 16 + 2] = 30;
  outputs[0].values[7 * 16 + 3] = -1;
  const HeadOptions options = evaluation_options(HeadKind::kBlazeface);
  const auto found = decode_detections(HeadKind::kBlazeface, outputs, 128, 128, same_size(128, 128), options);
  ASSERT_THAT(found, IsOk());
  EXPECT_TRUE(found->empty());
}

TEST(MergeOverlapping, AveragesBoxesByScoreAndKeepsTheBestScore) {
  const std::vector<Candidate> candidates = {
      {2, 0, 12, 10, 0.25f, 0}, {0, 0, 10, 10, 0.75f, 0}, {50, 50, 60, 60, 0.5f, 0}};
  const auto merged = merge_overlapping(candidates, 0.3);
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].score, 0.75f);
  EXPECT_FLOAT_EQ(merged[0].left, 0.5f);
  EXPECT_FLOAT_EQ(merged[0].right, 10.5f);
  EXPECT_FLOAT_EQ(merged[1].left, 50.0f);
}

TEST(MergeOverlapping, EndsAtABoxWithoutArea) {
  const std::vector<Candidate> candidates = {{5, 5, 5, 5, 0.9f, 0}, {0, 0, 10, 10, 0.5f, 0}};
  EXPECT_EQ(merge_overlapping(candidates, 0.3).size(), 1u);
}

}  // namespace
}  // namespace assay::detect
