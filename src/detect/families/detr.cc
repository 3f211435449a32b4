#include <string>

#include "detect/families/detr_layers.h"
#include "detect/families/family.h"

namespace assay::detect {
namespace {

struct Seen {
  Value values, keys;  // keys: with their positions
  Value scores;
};

Value decoder_layer(Network& net, const DetrConfig& detr, Value x, Value queries, const Seen& memory,
                    const std::string& name) {
  x = self_attention(net, x, queries, name, detr.decoder_layer);
  const Value seen =
      attention(net, net.graph.add(x, queries), memory.keys, memory.values,
                projections(net, name + ".encoder_attn"), detr.decoder_layer.heads, memory.scores);
  x = layer_norm(net, net.graph.add(x, seen), name + ".encoder_attn_layer_norm");
  return feed_forward(net, x, name, detr.decoder_layer);
}

}  // namespace

Result<Queries> build_detr(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const DetrConfig detr, read_detr_config(config));
  ASSAY_RETURN_IF_ERROR(refuse_auxiliary_loss(config));
  GraphBuilder& graph = net.graph;
  const EncodedPicture memory = detr_encoder(net, detr, picture.pixels, picture.mask);
  graph.set_scope("model.decoder");
  const Seen seen{memory.values, graph.add(memory.values, memory.grid.positions), memory.grid.scores};
  const Value queries = query_positions(net, detr.queries, detr.channels);
  Value x = zeros(net, {detr.queries, detr.channels});
  for (int layer = 0; layer < detr.decoder_layers; ++layer) {
    x = decoder_layer(net, detr, x, queries, seen, "model.decoder.layers." + std::to_string(layer));
  }
  x = layer_norm(net, x, "model.decoder.layernorm");
  return Queries{
      .logits = linear(net, x, "class_labels_classifier", detr.labels + 1),
      .boxes = graph.logistic(relu_layers(net, x, "bbox_predictor", {detr.channels, detr.channels, 4}))};
}

}  // namespace assay::detect
