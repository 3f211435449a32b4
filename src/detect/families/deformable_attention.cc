#include "detect/families/deformable_attention.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "detect/graph/fold.h"

namespace assay::detect {
namespace {

using tflite::Data;
using tflite::Op;
using tflite::TensorType;

// Rows are found by arithmetic in float32, which has every integer up to here.
constexpr std::int64_t kMostRows = std::int64_t{1} << 24;
// Queries are taken a part at a time where all samples together would be more floats than this (64 MB).
constexpr std::int64_t kMostSamples = std::int64_t{1} << 24;

// Constants for each point of a head: [2, points] for columns and rows, in this order.
struct Grid {
  int points = 0;                                // of a head, of all levels
  std::vector<float> extents, last_base, steps;  // [2, points]
  std::vector<float> has_second;                 // [2, points], 0 where there is one column or row only
  std::vector<float> first_rows;                 // [heads, points]
  std::vector<float> corners;                    // [2, 2, points]: rows from the first corner to each
  bool has_narrow_level = false;
};

Grid grid_of(const DeformableAttention& attention) {
  Grid grid;
  grid.points = std::accumulate(attention.points.begin(), attention.points.end(), 0);
  const auto points = static_cast<std::size_t>(grid.points);
  const auto heads = static_cast<std::size_t>(attention.heads);
  for (auto* values : {&grid.extents, &grid.last_base, &grid.steps, &grid.has_second})
    values->resize(2 * points);
  grid.first_rows.resize(heads * points);
  grid.corners.resize(4 * points);
  std::size_t point = 0, token = 0;
  for (std::size_t l = 0; l < attention.levels.size(); ++l) {
    const FeatureLevel& level = attention.levels[l];
    for (int i = 0; i < attention.points[l]; ++i, ++point) {
      const std::array<int, 2> extents = {level.width, level.height};
      const std::array<int, 2> steps = {attention.heads, attention.heads * level.width};
      for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::size_t at = axis * points + point;
        grid.extents[at] = static_cast<float>(extents[axis]);
        grid.last_base[at] = static_cast<float>(std::max(extents[axis] - (attention.nearest ? 1 : 2), 0));
        grid.steps[at] = static_cast<float>(steps[axis]);
        grid.has_second[at] = extents[axis] > 1 ? 1.0f : 0.0f;
        if (extents[axis] == 1) grid.has_narrow_level = true;
      }
      for (std::size_t head = 0; head < heads; ++head)
        grid.first_rows[head * points + point] = static_cast<float>(token * heads + head);
      for (std::size_t corner = 0; corner < 4; ++corner) {
        const bool below = corner / 2 == 1 && level.height > 1, beside = corner % 2 == 1 && level.width > 1;
        grid.corners[corner * points + point] =
            static_cast<float>((below ? steps[1] : 0) + (beside ? steps[0] : 0));
      }
    }
    token += static_cast<std::size_t>(level.height) * static_cast<std::size_t>(level.width);
  }
  return grid;
}

// What an offset is multiplied by beside the scale: one part in as many as the level has points, where the
// checkpoint keeps no table of it.
std::vector<float> shares_of(Network& net, const std::string& name, const DeformableAttention& attention) {
  const std::string table = net.weights.first_of({name + ".n_points_scale", name + ".num_points_scale"});
  std::vector<float> shares;
  for (const int points : attention.points) {
    for (int i = 0; i < points; ++i) shares.push_back(1.0f / static_cast<float>(points));
  }
  return net.weights.has(table) ? net.weights.floats(table, {static_cast<int>(shares.size())}) : shares;
}

// The linear layer of the offsets with its outputs as [2, heads, points] instead of [heads, points, 2], in
// cells of the level where `of_box` boxes will be multiplied in.
Value offsets_of(Network& net, Value queries, const std::string& module, const DeformableAttention& attention,
                 const Grid& grid, bool of_box) {
  const std::string name = module + ".sampling_offsets";
  const auto heads = static_cast<std::size_t>(attention.heads),
             points = static_cast<std::size_t>(grid.points);
  const auto channels = static_cast<std::size_t>(net.graph.extent(queries, 1));
  const int outputs = 2 * attention.heads * grid.points;
  const auto weights = net.weights.floats(name + ".weight", {outputs, net.graph.extent(queries, 1)});
  const auto bias = net.weights.floats(name + ".bias", {outputs});
  if (weights.empty() || bias.empty()) return {};
  std::vector<double> factors(2 * points, 1.0);
  if (of_box) {
    const std::vector<float> shares = shares_of(net, module, attention);
    if (shares.empty()) return {};
    for (std::size_t at = 0; at < factors.size(); ++at)
      factors[at] = static_cast<double>(attention.offset_scale) * grid.extents[at] * shares[at % points];
  }
  std::vector<float> ordered, ordered_bias;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    for (std::size_t head = 0; head < heads; ++head) {
      for (std::size_t point = 0; point < points; ++point) {
        const std::size_t row = (head * points + point) * 2 + axis;
        const double factor = factors[axis * points + point];
        for (std::size_t c = 0; c < channels; ++c)
          ordered.push_back(static_cast<float>(weights[row * channels + c] * factor));
        ordered_bias.push_back(static_cast<float>(bias[row] * factor));
      }
    }
  }
  net.graph.set_scope(name);
  const Value kernel = net.graph.constant(name + ".weight", {outputs, net.graph.extent(queries, 1)},
                                          Data::own_values(ordered));
  return net.graph.fully_connected(
      queries, kernel, net.graph.constant(name + ".bias", {outputs}, Data::own_values(ordered_bias)));
}

// What belongs to some of the queries.
struct Part {
  Value offsets;    // [queries, 2 * heads * points]
  Value weights;    // [queries, heads * points], softmax over the points of a head
  Value reference;  // [queries, 2 or 4]
};

class Sampler {
 public:
  Sampler(GraphBuilder& graph, const DeformableAttention& attention, const Grid& grid, Value values)
      : graph_(graph),
        attention_(attention),
        heads_(attention.heads),
        points_(grid.points),
        extents_(graph.constant({1, 2, 1, points_}, grid.extents)),
        last_base_(graph.constant({1, 2, 1, points_}, grid.last_base)),
        steps_(graph.constant({1, 2, 1, points_}, grid.steps)),
        first_rows_(graph.constant({1, 1, heads_, points_}, grid.first_rows)),
        corners_(graph.constant({1, 2, 2, points_}, grid.corners)) {
    if (grid.has_narrow_level) has_second_ = graph.constant({1, 2, 1, points_}, grid.has_second);
    const int width = graph.extent(values, 1) / heads_;
    rows_ = graph.reshape(values, {graph.extent(values, 0) * heads_, width});
  }

  // [queries, channels]
  Value sum(const Part& part) {
    const int queries = graph_.extent(part.reference, 0);
    const Value place = places(part);
    // Clamped so that this cell and the one after it exist. What lies outside then is more than a cell away
    // from both and gets no weight, which is a border of zeros.
    const Value base =
        graph_.unary(Op::kFloor, graph_.minimum(graph_.maximum(place, graph_.constant(0.0f)), last_base_));
    const int corners = attention_.nearest ? 1 : 4;
    Value weights = graph_.reshape(part.weights, {queries * heads_, 1, points_});
    if (!attention_.nearest) weights = corner_weights(graph_.sub(place, base), weights);
    const Value samples = graph_.gather(rows_, rows_at(base), 0, 0);
    weights = graph_.reshape(weights, {queries * heads_, 1, corners * points_});
    const Value sums = graph_.batch_matmul(weights, samples, false);
    return graph_.reshape(sums, {queries, heads_ * graph_.extent(rows_, 1)});
  }

 private:
  // Where to look, [queries, 2, heads, points]: in cells, the middle of the first one being 0; 1/2 where the
  // nearest is asked for.
  Value places(const Part& part) {
    const int queries = graph_.extent(part.reference, 0);
    const auto coordinates = [&](int first) {
      return graph_.reshape(graph_.slice(part.reference, {0, first}, {queries, 2}), {queries, 2, 1, 1});
    };
    Value offsets = graph_.reshape(part.offsets, {queries, 2, heads_, points_});
    if (graph_.extent(part.reference, 1) == 4) offsets = graph_.mul(offsets, coordinates(2));
    Value reach = extents_;
    if (attention_.shares.exists()) {
      reach = graph_.mul(extents_, attention_.shares);
      if (graph_.extent(part.reference, 1) == 4) offsets = graph_.mul(offsets, attention_.shares);
    }
    const Value centers =
        graph_.add(graph_.mul(coordinates(0), reach), graph_.constant(attention_.nearest ? 0.5f : -0.5f));
    return graph_.add(offsets, centers);
  }

  // [queries * heads, ...] of one of the two axes of [queries, 2, heads, n].
  Value axis(Value x, int which, Shape shape) {
    Shape size = graph_.shape(x);
    if (!x.exists()) return {};
    size[1] = 1;
    return graph_.reshape(graph_.slice(x, {0, which, 0, 0}, size), std::move(shape));
  }

  // Of the four cells around each sample, [queries * heads, 2, 2, points]: the product of how near it is by
  // row and by column (1 at its middle, 0 from one cell on), times the weight of the sample.
  Value corner_weights(Value away, Value weights) {
    const Value one = graph_.constant(1.0f);
    const auto nearness = [&](Value distance) {
      return graph_.relu(graph_.sub(one, graph_.unary(Op::kAbs, distance)));
    };
    Value second = nearness(graph_.sub(away, one));
    if (has_second_.exists()) second = graph_.mul(second, has_second_);
    const Value both = graph_.concat({nearness(away), second}, 3);
    const int all = graph_.extent(weights, 0);
    const Value columns = axis(both, 0, {all, 1, 2, points_});
    const Value rows = graph_.mul(axis(both, 1, {all, 2, points_}), weights);
    return graph_.mul(columns, graph_.reshape(rows, {all, 2, 1, points_}));
  }

  // Rows of rows_, int32 [queries * heads, corners * points].
  Value rows_at(Value base) {
    const int all = graph_.extent(base, 0) * heads_;
    Value rows = graph_.add(graph_.reduce(Op::kSum, graph_.mul(base, steps_), 1), first_rows_);
    rows = graph_.reshape(rows, {all, 1, 1, points_});
    if (!attention_.nearest) rows = graph_.add(rows, corners_);
    // Shaped as float32 still: XNNPACK takes no operator on integers.
    rows = graph_.reshape(rows, {all, points_ * (attention_.nearest ? 1 : 4)});
    return graph_.cast(rows, TensorType::kInt32);
  }

  GraphBuilder& graph_;
  const DeformableAttention& attention_;
  int heads_, points_;
  Value extents_, last_base_, steps_, first_rows_, corners_, has_second_, rows_;
};

}  // namespace

Value shares_of_points(GraphBuilder& graph, Value shares, const std::vector<int>& points) {
  std::vector<std::int32_t> levels;
  for (std::size_t level = 0; level < points.size(); ++level)
    levels.insert(levels.end(), static_cast<std::size_t>(points[level]), static_cast<std::int32_t>(level));
  const auto count = static_cast<std::int32_t>(levels.size());
  const Value by_point = graph.gather(shares, graph.constant_integers({count}, levels), 0, 0);
  return graph.reshape(graph.transpose(by_point, {1, 0}), {1, 2, 1, count});
}

Value deformable_attention(Network& net, Value queries, Value reference, Value values,
                           const std::string& name, const DeformableAttention& attention) {
  GraphBuilder& graph = net.graph;
  const Grid grid = grid_of(attention);
  const int count = graph.extent(queries, 0), coordinates = graph.extent(reference, 1);
  const int heads = attention.heads, of_all_heads = heads * grid.points;
  const Value offsets = offsets_of(net, queries, name, attention, grid, coordinates == 4);
  Value weights = linear(net, queries, name + ".attention_weights", of_all_heads);
  weights = graph.softmax(graph.reshape(weights, {count, heads, grid.points}));
  weights = graph.reshape(weights, {count, of_all_heads});
  graph.set_scope(name);
  if (!offsets.exists() || !weights.exists() || !values.exists() || !reference.exists()) return {};
  if (static_cast<std::int64_t>(graph.extent(values, 0)) * heads > kMostRows)
    return graph.fail(ErrorCode::kUnsupported, "more than " + std::to_string(kMostRows) +
                                                   " rows of features; a smaller picture has fewer");
  Sampler sampler(graph, attention, grid, values);
  const std::int64_t samples =
      static_cast<std::int64_t>(grid.points) * (attention.nearest ? 1 : 4) * graph.extent(values, 1);
  const auto at_once = static_cast<int>(std::clamp<std::int64_t>(kMostSamples / samples, 1, count));
  std::vector<Value> sums;
  for (int first = 0; first < count; first += at_once) {
    const int size = std::min(at_once, count - first);
    const auto part = [&](Value x) { return graph.slice(x, {first, 0}, {size, graph.extent(x, 1)}); };
    sums.push_back(sampler.sum({part(offsets), part(weights), part(reference)}));
  }
  return graph.concat(sums, 0);
}

}  // namespace assay::detect
