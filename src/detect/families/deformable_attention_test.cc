// Against the definition, computed in float64 with PyTorch's grid_sample written out.
#include "detect/families/deformable_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "detect/graph/fold.h"
#include "detect/graph/run_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

// Places are computed to some 1e-5 of a cell, values lie in [-1, 1].
constexpr double kTolerance = 1e-4;

struct Case {
  DeformableAttention attention;
  int queries = 1, channels = 4;  // channels of queries; of all heads of the values as many
  int coordinates = 4;            // of a reference: 2 or 4
  bool keeps_shares = false;
};

class Problem {
 public:
  explicit Problem(const Case& of) : case_(of) {
    const DeformableAttention& attention = of.attention;
    for (const int points : attention.points) points_ += points;
    for (const FeatureLevel& level : attention.levels) tokens_ += level.height * level.width;
    const int all = attention.heads * points_;
    add("at.sampling_offsets.weight", {2 * all, of.channels}, 2.0);
    add("at.sampling_offsets.bias", {2 * all}, 2.0);
    add("at.attention_weights.weight", {all, of.channels}, 1.0);
    add("at.attention_weights.bias", {all}, 1.0);
    if (of.keeps_shares) add("at.num_points_scale", {points_}, 1.0);
    queries = random({of.queries, of.channels}, 1.0);
    values = random({tokens_, of.channels}, 1.0);
    // Some of the boxes reach over the picture's border.
    reference = random({of.queries, of.coordinates}, 0.5);
    for (float& value : reference) value += 0.5f;
  }

  // What the graph gives.
  std::vector<float> run() const {
    GraphBuilder graph;
    TensorMap map;
    for (const auto& [name, tensor] : tensors_)
      map.emplace(name, TensorView{name,
                                   DType::kF32,
                                   {tensor.shape.begin(), tensor.shape.end()},
                                   std::as_bytes(std::span(tensor.values))});
    CheckpointWeights weights(map, graph);
    Network net{graph, weights};
    const Value q = graph.input("queries", {case_.queries, case_.channels});
    const Value r = graph.input("reference", {case_.queries, case_.coordinates});
    const Value v = graph.input("values", {tokens_, case_.channels});
    const Value output = deformable_attention(net, q, r, v, "at", case_.attention);
    EXPECT_THAT(weights.finish(), IsOk());
    return detect::run(graph, output, {queries, reference, values});
  }

  std::vector<double> expected() const {
    std::vector<double> result;
    for (int query = 0; query < case_.queries; ++query) {
      for (int head = 0; head < case_.attention.heads; ++head) add_head(query, head, result);
    }
    return result;
  }

  std::vector<float> queries, reference, values;

 private:
  struct Tensor {
    Shape shape;
    std::vector<float> values;
  };

  std::vector<float> random(const Shape& shape, double most) {
    std::vector<float> result(element_count(shape));
    for (float& value : result) value = static_cast<float>(most * (2 * rng_.uniform() - 1));
    return result;
  }
  void add(const std::string& name, const Shape& shape, double most) {
    tensors_[name] = {shape, random(shape, most)};
  }

  double linear(const std::string& name, int query, int row) const {
    double sum = tensors_.at(name + ".bias").values[static_cast<std::size_t>(row)];
    for (int c = 0; c < case_.channels; ++c) {
      const auto channel = static_cast<std::size_t>(c), width = static_cast<std::size_t>(case_.channels);
      sum += static_cast<double>(queries[static_cast<std::size_t>(query) * width + channel]) *
             tensors_.at(name + ".weight").values[static_cast<std::size_t>(row) * width + channel];
    }
    return sum;
  }

  void add_head(int query, int head, std::vector<double>& result) const {
    const int width = case_.channels / case_.attention.heads;
    std::vector<double> sums(static_cast<std::size_t>(width)), weights;
    double total = 0;
    for (int point = 0; point < points_; ++point) {
      weights.push_back(std::exp(linear("at.attention_weights", query, head * points_ + point)));
      total += weights.back();
    }
    int point = 0, first_token = 0;
    for (std::size_t l = 0; l < case_.attention.levels.size(); ++l) {
      const FeatureLevel& level = case_.attention.levels[l];
      for (int i = 0; i < case_.attention.points[l]; ++i, ++point) {
        const double weight = weights[static_cast<std::size_t>(point)] / total;
        const double x = place(query, head, point, 0, level.width, case_.attention.points[l]);
        const double y = place(query, head, point, 1, level.height, case_.attention.points[l]);
        for (int c = 0; c < width; ++c) {
          const auto at = [&](double row, double column) {
            const auto token = static_cast<std::size_t>(first_token) +
                               static_cast<std::size_t>(row) * static_cast<std::size_t>(level.width) +
                               static_cast<std::size_t>(column);
            return static_cast<double>(values[token * static_cast<std::size_t>(case_.channels) +
                                              static_cast<std::size_t>(head * width + c)]);
          };
          sums[static_cast<std::size_t>(c)] += weight * sample(x, y, level, at);
        }
      }
      first_token += level.height * level.width;
    }
    result.insert(result.end(), sums.begin(), sums.end());
  }

  // Relative to the picture.
  double place(int query, int head, int point, int axis, int extent, int of_level) const {
    const auto* coordinates =
        reference.data() + static_cast<std::size_t>(query) * static_cast<std::size_t>(case_.coordinates);
    const double offset = linear("at.sampling_offsets", query, (head * points_ + point) * 2 + axis);
    if (case_.coordinates == 2) return coordinates[axis] + offset / extent;
    const double share = case_.keeps_shares
                             ? tensors_.at("at.num_points_scale").values[static_cast<std::size_t>(point)]
                             : 1.0 / of_level;
    return coordinates[axis] + offset * share * coordinates[2 + axis] * case_.attention.offset_scale;
  }

  template <typename At>
  double sample(double x, double y, const FeatureLevel& level, At at) const {
    if (case_.attention.nearest) {
      const double column = std::clamp(std::trunc(x * level.width + 0.5), 0.0, level.width - 1.0);
      const double row = std::clamp(std::trunc(y * level.height + 0.5), 0.0, level.height - 1.0);
      return at(row, column);
    }
    const double column = x * level.width - 0.5, row = y * level.height - 0.5;
    double sum = 0;
    for (const double r : {std::floor(row), std::floor(row) + 1}) {
      for (const double c : {std::floor(column), std::floor(column) + 1}) {
        if (r < 0 || c < 0 || r >= level.height || c >= level.width) continue;
        sum += (1 - std::abs(row - r)) * (1 - std::abs(column - c)) * at(r, c);
      }
    }
    return sum;
  }

  Case case_;
  int points_ = 0, tokens_ = 0;
  std::map<std::string, Tensor> tensors_;
  Rng rng_{5};
};

double largest_error(const Problem& problem) {
  const auto found = problem.run();
  const auto expected = problem.expected();
  if (found.size() != expected.size() || found.empty()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(found[i] - expected[i]);
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

TEST(DeformableAttention, SamplesAroundBoxesAsGridSampleDoes) {
  EXPECT_LE(largest_error(Problem({.attention = {.heads = 2, .levels = {{5, 7}, {3, 4}}, .points = {3, 2}},
                                   .queries = 40,
                                   .channels = 6})),
            kTolerance);
}

TEST(DeformableAttention, SamplesAroundPointsInCellsOfEachLevel) {
  EXPECT_LE(largest_error(Problem({.attention = {.heads = 2, .levels = {{5, 7}, {3, 4}}, .points = {3, 2}},
                                   .queries = 40,
                                   .channels = 6,
                                   .coordinates = 2})),
            kTolerance);
}

TEST(DeformableAttention, HasABorderOfZerosAroundLevelsOfOneRowOrColumn) {
  EXPECT_LE(largest_error(
                Problem({.attention = {.heads = 1, .levels = {{1, 6}, {4, 1}, {1, 1}}, .points = {4, 4, 4}},
                         .queries = 60,
                         .coordinates = 2})),
            kTolerance);
}

TEST(DeformableAttention, ScalesOffsetsByWhatTheCheckpointKeepsForEachPoint) {
  EXPECT_LE(largest_error(
                Problem({.attention = {.heads = 2, .levels = {{5, 7}}, .points = {4}, .offset_scale = 0.75f},
                         .queries = 40,
                         .channels = 6,
                         .keeps_shares = true})),
            kTolerance);
}

TEST(DeformableAttention, TakesTheNearestFeatureWhereAsked) {
  EXPECT_LE(largest_error(Problem(
                {.attention = {.heads = 2, .levels = {{5, 7}, {1, 4}}, .points = {3, 2}, .nearest = true},
                 .queries = 40,
                 .channels = 6})),
            kTolerance);
}

TEST(DeformableAttention, GivesTheSameForQueriesThatAreTakenInParts) {
  const Case large = {
      .attention = {.heads = 1, .levels = {{6, 6}}, .points = {32}}, .queries = 2100, .channels = 64};
  EXPECT_GT(std::int64_t{4} * 32 * 64 * 2100, std::int64_t{1} << 24);
  EXPECT_LE(largest_error(Problem(large)), kTolerance);
}

}  // namespace
}  // namespace assay::detect
