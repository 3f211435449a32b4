#include "detect/families/rt_detr_config.h"

#include <cmath>
#include <limits>

#include "detect/families/backbone_stages.h"
#include "detect/families/query_selection.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

using nlohmann::json;
using testing::ElementsAre;

TEST(ReadRtDetr, TakesTransformersDefaults) {
  const auto detr = read_rt_detr(json::object());
  ASSERT_THAT(detr, IsOk());
  EXPECT_EQ(detr->queries, 300);
  EXPECT_EQ(detr->decoder_layers, 6);
  EXPECT_EQ(detr->encoder_layer.activation, Nonlinearity::kGelu);
  EXPECT_EQ(detr->activation, Nonlinearity::kSilu);
  EXPECT_THAT(detr->transformed, ElementsAre(2));
  EXPECT_THAT(detr->points, ElementsAre(4, 4, 4));
  EXPECT_TRUE(detr->has_positions);
}

TEST(ReadRtDetr, TakesPointsForEachLevel) {
  const auto detr = read_rt_detr({{"decoder_n_points", {3, 6, 3}}});
  ASSERT_THAT(detr, IsOk());
  EXPECT_THAT(detr->points, ElementsAre(3, 6, 3));
}

struct Refused {
  json config;
  ErrorCode code;
  const char* message;
};

TEST(ReadRtDetr, NamesTheKeyOfWhatItCannotDo) {
  const std::vector<Refused> cases = {
      {{{"with_box_refine", false}}, ErrorCode::kUnsupported, "with_box_refine: false, expected true"},
      {{{"normalize_before", true}}, ErrorCode::kUnsupported, "normalize_before: true, expected false"},
      {{{"anchor_image_size", {640, 640}}},
       ErrorCode::kUnsupported,
       "anchor_image_size: a size, expected null"},
      {{{"num_feature_levels", 4}}, ErrorCode::kUnsupported, "num_feature_levels: 4, expected 3"},
      {{{"decoder_n_levels", 2}}, ErrorCode::kUnsupported, "decoder_n_levels: 2, expected 3"},
      {{{"decoder_n_points", {4, 4}}},
       ErrorCode::kUnsupported,
       "decoder_n_points: [4,4], expected one for each of 3"},
      {{{"decoder_n_points", 0}},
       ErrorCode::kCorrupt,
       "decoder_n_points: expected an integer from 1 to 64, found 0"},
      {{{"decoder_method", "cubic"}},
       ErrorCode::kUnsupported,
       "decoder_method: 'cubic', expected default or discrete"},
      {{{"encode_proj_layers", {3}}},
       ErrorCode::kUnsupported,
       "encode_proj_layers: [3], expected levels from 0 to 2"},
      {{{"encode_proj_layers", {4294967298}}}, ErrorCode::kUnsupported, "encode_proj_layers: [4294967298]"},
      {{{"decoder_in_channels", {256, 256}}},
       ErrorCode::kUnsupported,
       "encode_proj_layers: [2], expected levels from 0 to 1"},
      {{{"encode_proj_layers", "2"}}, ErrorCode::kUnsupported, "encode_proj_layers: "},
      {{{"activation_function", "mish"}}, ErrorCode::kUnsupported, "activation_function: 'mish'"},
      {{{"hidden_expansion", 0.0}}, ErrorCode::kUnsupported, "hidden_expansion: "},
      {{{"encoder_layers", -1}}, ErrorCode::kUnsupported, "encoder_layers: -1"},
      {{{"encoder_hidden_dim", 30}}, ErrorCode::kCorrupt, "encoder_hidden_dim: 30"},
      {{{"d_model", 250}}, ErrorCode::kCorrupt, "d_model: 250"},
      {{{"num_queries", "many"}}, ErrorCode::kCorrupt, "num_queries: expected an integer from 1 to 16384"},
  };
  for (const Refused& refused : cases)
    EXPECT_THAT(read_rt_detr(refused.config), FailsWith(refused.code, refused.message)) << refused.config;
}

TEST(HandedOnStages, ReadsNamesBeforeIndices) {
  EXPECT_THAT(*handed_on_stages({{"out_features", {"stage2", "stage4"}}, {"out_indices", {1}}}, 4, {4}),
              ElementsAre(2, 4));
  EXPECT_THAT(*handed_on_stages({{"out_features", nullptr}, {"out_indices", {1, 3}}}, 4, {4}),
              ElementsAre(1, 3));
  EXPECT_THAT(*handed_on_stages(json::object(), 4, {4}), ElementsAre(4));
}

TEST(HandedOnStages, RefusesTheStemAndStagesThatAreNotThere) {
  for (const json& bad : {json{{"out_features", {"stem"}}}, json{{"out_features", {"stage5"}}},
                          json{{"out_features", {"stage3", "stage2"}}}})
    EXPECT_THAT(handed_on_stages(bad, 4, {4}), FailsWith(ErrorCode::kUnsupported, "out_features: ")) << bad;
  EXPECT_THAT(handed_on_stages({{"out_indices", {0}}}, 4, {4}),
              FailsWith(ErrorCode::kUnsupported, "out_indices: [0]"));
}

TEST(Anchors, AreLogitsOfCellsAndOfASizeThatDoublesWithTheLevel) {
  const Anchors anchors = anchors_of({{2, 4}, {1, 2}});
  ASSERT_EQ(anchors.logits.size(), 40u);
  const auto logit = [](double p) { return static_cast<float>(std::log(p / (1 - p))); };
  // The cell in row 1 and column 2 of the first level.
  EXPECT_FLOAT_EQ(anchors.logits[6 * 4], logit(2.5 / 4));
  EXPECT_FLOAT_EQ(anchors.logits[6 * 4 + 1], logit(1.5 / 2));
  EXPECT_FLOAT_EQ(anchors.logits[6 * 4 + 2], logit(0.05));
  EXPECT_FLOAT_EQ(anchors.logits[8 * 4 + 3], logit(0.1));
}

TEST(Anchors, AreNoneAtTheBorderOfALevelFinerThan50Cells) {
  const Anchors anchors = anchors_of({{1, 51}});
  EXPECT_EQ(anchors.inside.front(), 0.0f);
  EXPECT_EQ(anchors.inside[1], 1.0f);
  EXPECT_EQ(anchors.inside.back(), 0.0f);
  EXPECT_EQ(anchors.logits[0], std::numeric_limits<float>::max());
}

}  // namespace
}  // namespace assay::detect
