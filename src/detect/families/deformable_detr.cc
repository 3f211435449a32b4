#include <cmath>
#include <limits>
#include <string>

#include "detect/families/deformable_levels.h"
#include "detect/families/detr_layers.h"
#include "detect/families/family.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

using tflite::Op;

constexpr int kMostLevels = 16, kMostPoints = 64, kMostProposals = 1 << 14;

struct DeformableDetr {
  DetrConfig detr;
  int levels, encoder_points, decoder_points;
  bool refine, two_stage;
  int proposals;
};

Result<DeformableDetr> read_deformable_detr(const nlohmann::json& config) {
  DeformableDetr deformable{};
  ASSAY_TRY(deformable.detr, read_detr_config(config));
  JsonFields fields(config);
  deformable.levels = static_cast<int>(fields.required_count("num_feature_levels", kMostLevels));
  deformable.encoder_points = static_cast<int>(fields.required_count("encoder_n_points", kMostPoints));
  deformable.decoder_points = static_cast<int>(fields.required_count("decoder_n_points", kMostPoints));
  deformable.refine = fields.boolean("with_box_refine", false);
  deformable.two_stage = fields.boolean("two_stage", false);
  if (deformable.two_stage)
    deformable.proposals = static_cast<int>(fields.required_count("two_stage_num_proposals", kMostProposals));
  ASSAY_RETURN_IF_ERROR(fields.status());
  if (deformable.two_stage && !deformable.refine)
    return Error{ErrorCode::kUnsupported, "two_stage: true without with_box_refine"};
  if (deformable.detr.channels % kLevelGroups != 0)
    return Error{ErrorCode::kCorrupt, "d_model: " + std::to_string(deformable.detr.channels) +
                                          ", expected a multiple of " + std::to_string(kLevelGroups)};
  return deformable;
}

// The path of the head of a layer: "class_embed" or "bbox_embed". Layers that do not refine boxes share one.
std::string head(const Network& net, const DeformableDetr& deformable, const std::string& name, int layer) {
  const std::string path = name + "." + std::to_string(layer);
  std::vector<std::string> candidates = {path, "model.decoder." + path};
  if (!deformable.refine) candidates.push_back(name + ".0");
  return head_path(net, candidates);
}

Value box_head(Network& net, const DeformableDetr& deformable, Value x, int layer) {
  const int channels = deformable.detr.channels;
  return relu_layers(net, x, head(net, deformable, "bbox_embed", layer), {channels, channels, 4});
}

DeformableAttention attention_to(Network& net, const Levels& levels, int heads, int points) {
  DeformableAttention attention;
  attention.heads = heads;
  attention.levels = levels.extents;
  attention.points.assign(levels.extents.size(), points);
  net.graph.set_scope("model.levels");
  if (levels.shares.exists()) attention.shares = shares_of_points(net.graph, levels.shares, attention.points);
  return attention;
}

// What x [queries, channels] sees of the memory, added and normalized.
Value look(Network& net, Value x, Value positions, Value reference, Value memory, const Levels& levels,
           const DeformableAttention& attention, const std::string& name, const std::string& norm) {
  GraphBuilder& graph = net.graph;
  const int channels = graph.extent(x, 1);
  Value values = linear(net, memory, name + ".value_proj", channels);
  if (levels.mask.exists()) values = graph.mul(values, levels.mask);
  graph.set_scope(name);
  Value seen = deformable_attention(net, graph.add(x, positions), reference, values, name, attention);
  seen = linear(net, seen, name + ".output_proj", channels);
  return layer_norm(net, graph.add(x, seen), norm);
}

Value encode(Network& net, const DeformableDetr& deformable, const Levels& levels) {
  const DetrConfig& detr = deformable.detr;
  const DeformableAttention attention =
      attention_to(net, levels, detr.encoder_layer.heads, deformable.encoder_points);
  Value x = levels.tokens;
  for (int layer = 0; layer < detr.encoder_layers; ++layer) {
    const std::string name = "model.encoder.layers." + std::to_string(layer);
    x = look(net, x, levels.positions, levels.places, x, levels, attention, name + ".self_attn",
             name + ".self_attn_layer_norm");
    x = feed_forward(net, x, name, detr.encoder_layer);
  }
  return x;
}

// What the decoder starts with.
struct Start {
  Value x, positions;  // [queries, channels]
  Value anchors;       // [queries, 2 or 4]: points or boxes, before the sigmoid
};

Start learned_queries(Network& net, const DeformableDetr& deformable) {
  const int queries = deformable.detr.queries, channels = deformable.detr.channels;
  const Value both = query_positions(net, queries, 2 * channels);
  const Value positions = net.graph.slice(both, {0, 0}, {queries, channels});
  return {net.graph.slice(both, {0, channels}, {queries, channels}), positions,
          linear(net, positions, "model.reference_points", 2)};
}

// Where each token expects a box.
struct Proposals {
  Value logits;  // [tokens, 4], of no use where `usable` is 0 but that they are large
  Value usable;  // [tokens, 1]: 0 at the border of the picture and beyond, in the padding too; 1 elsewhere
};

Proposals propose(Network& net, const Levels& levels) {
  GraphBuilder& graph = net.graph;
  constexpr float kBorder = 0.01f, kFarBorder = 0.99f;
  std::vector<float> sizes, usable_sizes;
  double size = 0.05;
  for (const FeatureLevel& level : levels.extents) {
    for (int token = 0; token < level.height * level.width; ++token) {
      usable_sizes.push_back(size < 0.99 ? 1.0f : 0.0f);
      const auto logit = static_cast<float>(size < 0.99 ? std::log(size / (1.0 - size)) : 0.0);
      sizes.insert(sizes.end(), {logit, logit});
    }
    size *= 2;
  }
  const auto tokens = static_cast<int>(usable_sizes.size());
  graph.set_scope("model.proposals");
  const Value places = levels.places, border = graph.constant(kBorder),
              far_border = graph.constant(kFarBorder);
  // 1 for positive numbers: the smallest difference of two numbers here is 1e-9.
  const auto step = [&](Value x) {
    return graph.minimum(graph.relu(graph.mul(x, graph.constant(1e10f))), graph.constant(1.0f));
  };
  const Value inside = graph.mul(step(graph.sub(places, border)), step(graph.sub(far_border, places)));
  const auto column = [&](int at) { return graph.slice(inside, {0, at}, {tokens, 1}); };
  Proposals result;
  result.usable = graph.mul(graph.mul(column(0), column(1)), graph.constant({tokens, 1}, usable_sizes));
  const Value clamped = graph.minimum(graph.maximum(places, border), far_border);
  const Value logits = graph.unary(Op::kLog, graph.div(clamped, graph.sub(graph.constant(1.0f), clamped)));
  const Value all = graph.concat({logits, graph.constant({tokens, 2}, sizes)}, 1);
  const Value far = graph.mul(graph.sub(graph.constant(1.0f), result.usable),
                              graph.constant(std::numeric_limits<float>::max()));
  result.logits = graph.add(all, far);
  return result;
}

// The tokens that look most like an object of the first class, as transformers asks, best first.
Start selected_queries(Network& net, const DeformableDetr& deformable, Value memory, const Levels& levels) {
  GraphBuilder& graph = net.graph;
  const int channels = deformable.detr.channels, tokens = graph.extent(memory, 0),
            last = deformable.detr.decoder_layers;
  const Proposals proposals = propose(net, levels);
  Value x = linear(net, graph.mul(memory, proposals.usable), "model.enc_output", channels);
  x = layer_norm(net, x, "model.enc_output_norm");
  const std::string classes = head(net, deformable, "class_embed", last);
  const int labels = deformable.detr.labels;
  const Value weights =
      graph.slice(parameter(net, classes + ".weight", {labels, channels}), {0, 0}, {1, channels});
  const Value bias = graph.slice(parameter(net, classes + ".bias", {labels}), {0}, {1});
  graph.set_scope("model.proposals");
  const Value scores = graph.reshape(graph.fully_connected(x, weights, bias), {tokens});
  const Value chosen = graph.top_k(scores, deformable.proposals).second;
  const Value moved = box_head(net, deformable, graph.gather(x, chosen, 0, 0), last);
  graph.set_scope("model.proposals");
  Start start;
  start.anchors = graph.add(moved, graph.gather(proposals.logits, chosen, 0, 0));
  const Value sines = sine_features(graph, graph.logistic(start.anchors), channels / 2);
  const Value both =
      layer_norm(net, linear(net, sines, "model.pos_trans", 2 * channels), "model.pos_trans_norm");
  start.positions = graph.slice(both, {0, 0}, {deformable.proposals, channels});
  start.x = graph.slice(both, {0, channels}, {deformable.proposals, channels});
  return start;
}

// [queries, 4] from points or boxes.
Value four_wide(Network& net, Value anchors) {
  if (net.graph.extent(anchors, 1) == 4) return anchors;
  return net.graph.concat({anchors, zeros(net, {net.graph.extent(anchors, 0), 2})}, 1);
}

}  // namespace

Result<Queries> build_deformable_detr(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const DeformableDetr deformable, read_deformable_detr(config));
  const DetrConfig& detr = deformable.detr;
  GraphBuilder& graph = net.graph;
  // Heads of layers whose answers are for training, and copies of heads.
  for (const char* part : {"class_embed.", "bbox_embed."}) net.weights.ignore(part);
  ASSAY_TRY(const Levels levels, project_levels(net, detr_backbone(net, picture.pixels, detr.backbone),
                                                picture.mask, detr.channels, deformable.levels));
  const Value memory = encode(net, deformable, levels);
  const Start start = deformable.two_stage ? selected_queries(net, deformable, memory, levels)
                                           : learned_queries(net, deformable);
  const DeformableAttention attention =
      attention_to(net, levels, detr.decoder_layer.heads, deformable.decoder_points);
  Value x = start.x, anchors = start.anchors, reference = graph.logistic(anchors);
  const int last = detr.decoder_layers - 1;
  for (int layer = 0; layer <= last; ++layer) {
    const std::string name = "model.decoder.layers." + std::to_string(layer);
    x = self_attention(net, x, start.positions, name, detr.decoder_layer);
    x = look(net, x, start.positions, reference, memory, levels, attention, name + ".encoder_attn",
             name + ".encoder_attn_layer_norm");
    x = feed_forward(net, x, name, detr.decoder_layer);
    if (!deformable.refine && layer != last) continue;
    anchors = graph.add(box_head(net, deformable, x, layer), four_wide(net, clamped_logit(net, anchors)));
    reference = graph.logistic(anchors);
  }
  return Queries{.logits = linear(net, x, head(net, deformable, "class_embed", last), detr.labels),
                 .boxes = reference};
}

}  // namespace assay::detect
