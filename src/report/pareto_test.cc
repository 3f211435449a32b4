#include "report/pareto.h"

#include <gtest/gtest.h>

#include "report/label_placement.h"

namespace assay::report {
namespace {

TEST(Pareto, PutsOnTheFrontWhatNobodyBeatsInBoth) {
  const auto standings = pareto({{1, {10, {}}, ""}, {2, {20, {}}, ""}, {3, {15, {}}, ""}, {2, {20, {}}, ""}});
  EXPECT_EQ(standings[0], Standing::kFront);
  EXPECT_EQ(standings[1], Standing::kFront);
  EXPECT_EQ(standings[2], Standing::kBeaten);
  EXPECT_EQ(standings[3], Standing::kFront);
}

TEST(Pareto, CallsTiedWhoseIntervalReachesTheFront) {
  const auto standings = pareto(
      {{1, {20, Interval{15, 25}}, ""}, {2, {19, Interval{14, 24}}, ""}, {3, {10, Interval{8, 12}}, ""}});
  EXPECT_EQ(standings[1], Standing::kTied);
  EXPECT_EQ(standings[2], Standing::kBeaten);
}

TEST(Pareto, ComparesOnlyWhatWasMeasuredOnTheSameData) {
  const auto standings = pareto({{1, {70, {}}, "scenes"}, {2, {40, {}}, "faces"}, {3, {30, {}}, "faces"}});
  EXPECT_EQ(standings[0], Standing::kFront);
  EXPECT_EQ(standings[1], Standing::kFront);
  EXPECT_EQ(standings[2], Standing::kBeaten);
}

TEST(PlaceLabels, KeepsLabelsOfCloseByPointsApartAndInside) {
  const std::vector<LabelToPlace> labels{{{100, 100}, 80, 12}, {{105, 103}, 80, 12}, {{395, 5}, 80, 12}};
  const auto places = place_labels(labels, {{100, 100}, {105, 103}, {395, 5}}, 10, 400, 200);
  ASSERT_EQ(places.size(), 3u);
  const bool apart = std::abs(places[0].x - places[1].x) >= 80 || std::abs(places[0].y - places[1].y) >= 12;
  EXPECT_TRUE(apart);
  EXPECT_LE(places[2].x + 40, 400);
  EXPECT_GE(places[2].y - 6, 0);
}

}  // namespace
}  // namespace assay::report
