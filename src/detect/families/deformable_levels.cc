#include "detect/families/deformable_levels.h"

#include "detect/families/position.h"

namespace assay::detect {
namespace {

std::string projection(int level) { return "model.input_proj." + std::to_string(level); }

// How many levels are projected without a change of resolution.
int levels_of_backbone(const Network& net, int count) {
  int levels = 0;
  while (levels < count) {
    const auto shape = net.weights.shape(projection(levels) + ".0.weight");
    // A projection that is missing is missed later.
    if (!shape.empty() && shape.back() != 1) break;
    ++levels;
  }
  return levels;
}

// Column and row of the middle of each cell, counted in cells: [height * width, 2].
Value middles(GraphBuilder& graph, const FeatureLevel& level) {
  std::vector<float> values;
  for (int y = 0; y < level.height; ++y) {
    for (int x = 0; x < level.width; ++x) {
      values.push_back(static_cast<float>(x) + 0.5f);
      values.push_back(static_cast<float>(y) + 0.5f);
    }
  }
  return graph.constant({level.height * level.width, 2}, values);
}

}  // namespace

Result<Levels> project_levels(Network& net, const std::vector<Value>& features, Value pixel_mask,
                              int channels, int count) {
  GraphBuilder& graph = net.graph;
  const int of_backbone = levels_of_backbone(net, count);
  if (of_backbone < 1 || of_backbone > static_cast<int>(features.size()))
    return Error{ErrorCode::kCorrupt, "num_feature_levels: " + std::to_string(of_backbone) +
                                          " levels of the backbone, which has 1 to " +
                                          std::to_string(features.size())};
  const Value level_embeddings = parameter(net, "model.level_embed", {count, channels});
  Levels levels;
  std::vector<Value> tokens, positions, places, masks, shares;
  Value x;
  for (int level = 0; level < count; ++level) {
    const std::string name = projection(level);
    if (level < of_backbone) {
      x = features[features.size() - static_cast<std::size_t>(of_backbone - level)];
      x = conv(net, x, name + ".0", channels, 1, {});
    } else {
      x = conv(net, level == of_backbone ? features.back() : x, name + ".0", channels, 3,
               {.stride = 2, .padding = 1});
    }
    x = group_norm(net, x, name + ".1", kLevelGroups);
    const FeatureLevel extent{graph.extent(x, 1), graph.extent(x, 2)};
    const FeatureGrid grid = feature_grid(graph, x, pixel_mask, channels, -0.5);
    graph.set_scope("model.levels." + std::to_string(level));
    levels.extents.push_back(extent);
    tokens.push_back(tokens_of(net, x));
    positions.push_back(graph.add(grid.positions, graph.slice(level_embeddings, {level, 0}, {1, channels})));
    const Value size =
        graph.constant({1, 2}, {static_cast<float>(extent.width), static_cast<float>(extent.height)});
    if (!pixel_mask.exists()) {
      places.push_back(graph.div(middles(graph, extent), size));
      continue;
    }
    const Value picture = graph.concat({grid.columns, grid.rows}, 1);
    places.push_back(graph.div(middles(graph, extent), picture));
    shares.push_back(graph.div(picture, size));
    masks.push_back(grid.mask);
  }
  graph.set_scope("model.levels");
  levels.tokens = graph.concat(tokens, 0);
  levels.positions = graph.concat(positions, 0);
  levels.places = graph.concat(places, 0);
  if (pixel_mask.exists()) {
    levels.mask = graph.concat(masks, 0);
    levels.shares = graph.concat(shares, 0);
  }
  return levels;
}

}  // namespace assay::detect
