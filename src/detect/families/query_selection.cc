#include "detect/families/query_selection.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace assay::detect {

using tflite::Data;
using tflite::Op;

Anchors anchors_of(const std::vector<FeatureLevel>& levels) {
  constexpr double kBorder = 0.01, kSizeOfFirst = 0.05;
  constexpr float kInfinity = 10000.0f;
  Anchors anchors;
  double size = kSizeOfFirst;
  for (const FeatureLevel& level : levels) {
    for (int y = 0; y < level.height; ++y) {
      for (int x = 0; x < level.width; ++x) {
        const std::array<double, 4> box = {(x + 0.5) / level.width, (y + 0.5) / level.height, size, size};
        const bool inside = std::all_of(box.begin(), box.end(),
                                        [](double value) { return value > kBorder && value < 1 - kBorder; });
        anchors.inside.push_back(inside ? 1.0f : 0.0f);
        for (const double value : box)
          anchors.logits.push_back(inside ? static_cast<float>(std::log(value / (1 - value))) : kInfinity);
      }
    }
    size *= 2;
  }
  return anchors;
}

Result<std::vector<Value>> levels_of(const std::vector<Value>& features, const std::vector<int>& handed_on,
                                     const RtDetr& detr) {
  const std::size_t levels = detr.input_channels.size();
  if (handed_on.size() != levels)
    return Error{ErrorCode::kCorrupt, "backbone_config: " + std::to_string(handed_on.size()) +
                                          " stages in out_features, expected " + std::to_string(levels) +
                                          " as in decoder_in_channels"};
  std::vector<Value> result;
  for (const int stage : handed_on) result.push_back(features[static_cast<std::size_t>(stage) - 1]);
  return result;
}

Memory memory_of(Network& net, const std::vector<Value>& encoded, const RtDetr& detr, bool projected) {
  GraphBuilder& graph = net.graph;
  Memory memory;
  std::vector<Value> parts;
  for (std::size_t level = 0; level < encoded.size(); ++level) {
    Value x = encoded[level];
    const std::string name = "model.decoder_input_proj." + std::to_string(level);
    if (projected)
      x = conv_batch_norm(net, x, name + ".0", name + ".1", detr.channels, 1, {}, detr.batch_norm_epsilon);
    memory.levels.push_back({graph.extent(x, 1), graph.extent(x, 2)});
    parts.push_back(tokens_of(net, x));
  }
  graph.set_scope("model.memory");
  memory.tokens = graph.concat(parts, 0);
  return memory;
}

std::string head_name(const Network& net, const std::string& head, int layer) {
  const std::string path = head + "." + std::to_string(layer);
  return head_path(net, {"model.decoder." + path, path});
}

SelectedQueries select_queries(Network& net, const Memory& memory, const RtDetr& detr) {
  GraphBuilder& graph = net.graph;
  const int tokens = graph.extent(memory.tokens, 0);
  const Anchors anchors = anchors_of(memory.levels);
  if (memory.tokens.exists() && tokens < detr.queries) {
    graph.fail(ErrorCode::kInvalidArgument, "num_queries: " + std::to_string(detr.queries) +
                                                ", but a picture of this size has only " +
                                                std::to_string(tokens) + " places to choose from");
    return {};
  }
  graph.set_scope("model.enc_output");
  const bool all_inside =
      std::find(anchors.inside.begin(), anchors.inside.end(), 0.0f) == anchors.inside.end();
  const Value usable =
      all_inside ? memory.tokens
                 : graph.mul(memory.tokens,
                             graph.constant("model.inside", {tokens, 1}, Data::own_values(anchors.inside)));
  Value states = linear(net, usable, "model.enc_output.0", detr.channels);
  states = layer_norm(net, states, "model.enc_output.1", detr.decoder_layer.epsilon);
  const Value scores = linear(net, states, "model.enc_score_head", detr.classes);
  const Value best = graph.reshape(graph.reduce(Op::kReduceMax, scores, -1), {tokens});
  const Value chosen = graph.top_k(best, detr.queries).second;
  SelectedQueries result;
  // The boxes of the chosen ones only.
  const Value chosen_states = graph.gather(states, chosen, 0, 0);
  const Value offsets =
      relu_layers(net, chosen_states, "model.enc_bbox_head", {detr.channels, detr.channels, 4});
  graph.set_scope("model");
  const Value all_anchors = graph.constant("model.anchors", {tokens, 4}, Data::own_values(anchors.logits));
  result.boxes = graph.add(offsets, graph.gather(all_anchors, chosen, 0, 0));
  result.states = chosen_states;
  if (detr.learned_queries)
    result.states = parameter(net, "model.weight_embedding.weight", {detr.queries, detr.channels});
  return result;
}

}  // namespace assay::detect
