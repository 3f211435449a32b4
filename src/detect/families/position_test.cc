#include "detect/families/position.h"

#include <cmath>
#include <numbers>

#include "detect/families/layers.h"
#include "detect/graph/run_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

constexpr int kHeight = 6, kWidth = 5, kChannels = 8, kStride = 4;

// The one output for a picture of `rows` x `columns` cells in the grid, which ends within the last cell.
std::vector<float> run_padded(GraphBuilder& graph, Value output, int rows, int columns) {
  std::vector<float> mask;
  for (int y = 0; y < kHeight * kStride; ++y) {
    for (int x = 0; x < kWidth * kStride; ++x)
      mask.push_back(y < rows * kStride - 1 && x < columns * kStride - 2 ? 1.0f : 0.0f);
  }
  return run(graph, output, {mask});
}

FeatureGrid masked_grid(GraphBuilder& graph, double offset) {
  const Value mask = graph.input("pixel_mask", {1, kHeight * kStride, kWidth * kStride});
  const Value features = graph.constant({1, kHeight, kWidth, 1}, std::vector<float>(kHeight * kWidth));
  return feature_grid(graph, features, mask, kChannels, offset);
}

TEST(FeatureGrid, PlacesAPaddedPictureAsOneThatFillsTheGrid) {
  for (const double offset : {0.0, -0.5}) {
    for (const auto& [rows, columns] :
         {std::pair(kHeight, kWidth), std::pair(4, 5), std::pair(6, 2), std::pair(1, 1)}) {
      GraphBuilder graph;
      const auto found = run_padded(graph, masked_grid(graph, offset).positions, rows, columns);
      const auto expected = sine_positions(rows, columns, kChannels, offset);
      ASSERT_EQ(found.size(), static_cast<std::size_t>(kHeight * kWidth * kChannels));
      for (int y = 0; y < rows; ++y) {
        for (int x = 0; x < columns; ++x) {
          for (int c = 0; c < kChannels; ++c)
            ASSERT_NEAR(found[static_cast<std::size_t>((y * kWidth + x) * kChannels + c)],
                        expected[static_cast<std::size_t>((y * columns + x) * kChannels + c)], 2e-6)
                << rows << "x" << columns << " at " << y << ", " << x << ", " << c;
        }
      }
    }
  }
}

TEST(FeatureGrid, IsConstantWithoutPadding) {
  GraphBuilder graph;
  const Value features = graph.input("x", {1, kHeight, kWidth, 1});
  const FeatureGrid grid = feature_grid(graph, features, {}, kChannels);
  EXPECT_EQ(graph.values(grid.positions), sine_positions(kHeight, kWidth, kChannels));
  EXPECT_FALSE(grid.mask.exists());
  EXPECT_FALSE(grid.scores.exists());
}

TEST(FeatureGrid, CountsRowsAndColumnsOfThePicture) {
  GraphBuilder graph;
  const FeatureGrid grid = masked_grid(graph, 0.0);
  EXPECT_THAT(run_padded(graph, graph.concat({grid.rows, grid.columns}, 1), 4, 2),
              testing::ElementsAre(4.0f, 2.0f));
}

TEST(FeatureGrid, KeepsAttentionOffThePaddingHoweverHighItsScores) {
  GraphBuilder graph;
  const TensorMap no_tensors;
  CheckpointWeights weights(no_tensors, graph);
  Network net{graph, weights};
  const FeatureGrid grid = masked_grid(graph, 0.0);
  // The token after the first row of the picture has the highest score of all by far.
  std::vector<float> keys(kHeight * kWidth), values(kHeight * kWidth, 1.0f);
  keys[3] = 1e5f;
  values[3] = 100.0f;
  const Value mixed = attend(net, graph.constant({1, 1}, {1.0f}), graph.constant({kHeight * kWidth, 1}, keys),
                             graph.constant({kHeight * kWidth, 1}, values), 1, grid.scores);
  EXPECT_THAT(run_padded(graph, mixed, 4, 3), testing::ElementsAre(testing::FloatNear(1.0f, 1e-6f)));
}

TEST(SineFeatures, TakesSinesAndCosinesInTurnOfEachColumn) {
  GraphBuilder graph;
  const auto found = graph.values(sine_features(graph, graph.constant({1, 2}, {0.25f, 0.5f}), 4));
  ASSERT_EQ(found.size(), 8u);
  for (std::size_t column = 0; column < 2; ++column) {
    const double x = (column == 0 ? 0.25 : 0.5) * 2 * std::numbers::pi;
    // Frequencies 1 and 1 / sqrt(10000).
    const double expected[] = {std::sin(x), std::cos(x), std::sin(x / 100), std::cos(x / 100)};
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(found[column * 4 + i], expected[i], 5e-7) << column << " " << i;
  }
}

}  // namespace
}  // namespace assay::detect
