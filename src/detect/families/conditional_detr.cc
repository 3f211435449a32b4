#include <array>
#include <cmath>
#include <string>

#include "detect/families/detr_layers.h"
#include "detect/families/family.h"

namespace assay::detect {
namespace {

// The projections of a decoder layer, content and positions apart, under either of two sets of names.
class Projections {
 public:
  Projections(Network& net, std::string layer, bool cross)
      : net_(net),
        layer_(std::move(layer)),
        module_(cross ? ".encoder_attn" : ".self_attn"),
        side_(cross ? ".ca_" : ".sa_") {}

  Value operator()(Value x, const char* name, const char* published_name, float factor = 1.0f) const {
    const std::string path = net_.weights.first_of(
        {layer_ + side_ + published_name + "_proj.weight", layer_ + module_ + "." + name + "_proj.weight"});
    return linear(net_, x, path.substr(0, path.rfind('.')), net_.graph.extent(x, 1), factor);
  }
  Value output(Value x) const {
    return linear(net_, x, projections(net_, layer_ + module_).output, net_.graph.extent(x, 1));
  }

 private:
  Network& net_;
  std::string layer_, module_, side_;
};

// What the decoder's layers share.
struct Shared {
  EncodedPicture memory;
  Value queries;  // their position embeddings
  Value sine;     // of their reference points
};

Value self_attention_apart(Network& net, const DetrConfig& detr, Value x, Value queries,
                           const std::string& name) {
  const Projections project(net, name, false);
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(detr.channels / detr.decoder_layer.heads)));
  const Value q =
      net.graph.add(project(x, "q_content", "qcontent", scale), project(queries, "q_pos", "qpos", scale));
  const Value k = net.graph.add(project(x, "k_content", "kcontent"), project(queries, "k_pos", "kpos"));
  const Value mixed = attend(net, q, k, project(x, "v", "v"), detr.decoder_layer.heads);
  return layer_norm(net, net.graph.add(x, project.output(mixed)), name + ".self_attn_layer_norm");
}

// Attention to the memory: content and positions stand beside each other in each head, so that their scores
// add up.
Value cross_attention(Network& net, const DetrConfig& detr, Value x, Value sine, const Shared& shared,
                      bool first, const std::string& name) {
  GraphBuilder& graph = net.graph;
  const Projections project(net, name, true);
  const int heads = detr.decoder_layer.heads, width = detr.channels / heads;
  const auto scale = static_cast<float>(1.0 / std::sqrt(2.0 * width));
  const auto beside = [&](Value content, Value positions) {
    const int tokens = graph.extent(content, 0);
    const Shape by_head = {tokens, heads, width};
    return graph.reshape(
        graph.concat({graph.reshape(content, by_head), graph.reshape(positions, by_head)}, 2),
        {tokens, 2 * detr.channels});
  };
  Value q = project(x, "q_content", "qcontent", scale);
  Value k = project(shared.memory.values, "k_content", "kcontent");
  const Value key_positions = project(shared.memory.grid.positions, "k_pos", "kpos");
  if (first) {
    q = graph.add(q, project(shared.queries, "q_pos", "qpos", scale));
    k = graph.add(k, key_positions);
  }
  q = beside(q, project(sine, "q_pos_sine", "qpos_sine", scale));
  k = beside(k, key_positions);
  const Value mixed =
      attend(net, q, k, project(shared.memory.values, "v", "v"), heads, shared.memory.grid.scores);
  return layer_norm(net, graph.add(x, project.output(mixed)), name + ".encoder_attn_layer_norm");
}

}  // namespace

Result<Queries> build_conditional_detr(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const DetrConfig detr, read_detr_config(config));
  ASSAY_RETURN_IF_ERROR(refuse_auxiliary_loss(config));
  GraphBuilder& graph = net.graph;
  const int channels = detr.channels;
  Shared shared{.memory = detr_encoder(net, detr, picture.pixels, picture.mask)};
  shared.queries = query_positions(net, detr.queries, channels);
  const Value anchors = relu_layers(net, shared.queries, "model.decoder.ref_point_head", {channels, 2});
  const Value points = graph.logistic(anchors);
  const auto column = [&](int at) { return graph.slice(points, {0, at}, {detr.queries, 1}); };
  shared.sine = sine_features(graph, graph.concat({column(1), column(0)}, 1), channels / 2);
  Value x = zeros(net, {detr.queries, channels});
  for (int layer = 0; layer < detr.decoder_layers; ++layer) {
    const std::string name = "model.decoder.layers." + std::to_string(layer);
    const Value sine =
        layer == 0
            ? shared.sine
            : graph.mul(shared.sine, relu_layers(net, x, "model.decoder.query_scale", {channels, channels}));
    x = self_attention_apart(net, detr, x, shared.queries, name);
    x = cross_attention(net, detr, x, sine, shared, layer == 0, name);
    x = feed_forward(net, x, name, detr.decoder_layer);
  }
  x = layer_norm(net, x, "model.decoder.layernorm");
  const Value moved = graph.concat({clamped_logit(net, anchors), zeros(net, {detr.queries, 2})}, 1);
  const Value boxes = relu_layers(net, x, "bbox_predictor", {channels, channels, 4});
  return Queries{.logits = linear(net, x, "class_labels_classifier", detr.labels),
                 .boxes = graph.logistic(graph.add(boxes, moved))};
}

}  // namespace assay::detect
