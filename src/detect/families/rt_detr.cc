#include <string>

#include "detect/families/deformable_attention.h"
#include "detect/families/family.h"
#include "detect/families/hybrid_encoder.h"
#include "detect/families/query_selection.h"
#include "detect/families/resnet.h"
#include "detect/families/rt_detr_config.h"

namespace assay::detect {
namespace {

Value fuse(Network& net, Value x, const std::string& name, const RtDetr& detr, int blocks) {
  const int inner = static_cast<int>(detr.encoder_channels * detr.expansion);
  return csp_rep(net, x, name, inner, detr.encoder_channels, blocks, detr);
}

Value halve(Network& net, Value x, const std::string& name, const RtDetr& detr) {
  return conv_norm(net, x, name, detr.encoder_channels, 3, 2, detr, detr.activation);
}

Value decoder_layer(Network& net, Value x, Value positions, Value boxes, Value memory,
                    const std::string& name, const RtDetr& detr, const DeformableAttention& samples) {
  x = self_attention(net, x, positions, name, detr.decoder_layer);
  const std::string cross = name + ".encoder_attn";
  const Value values = linear(net, memory, cross + ".value_proj", detr.channels);
  net.graph.set_scope(cross);
  Value seen = deformable_attention(net, net.graph.add(x, positions), boxes, values, cross, samples);
  seen = linear(net, seen, cross + ".output_proj", detr.channels);
  x = layer_norm(net, net.graph.add(x, seen), name + ".encoder_attn_layer_norm", detr.decoder_layer.epsilon);
  return feed_forward(net, x, name, detr.decoder_layer);
}

}  // namespace

Result<Queries> build_rt_detr(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const RtDetr detr, read_rt_detr(config));
  ASSAY_TRY(const Resnet backbone, read_resnet(config));
  GraphBuilder& graph = net.graph;
  // For training only: noisy boxes to restore and the classes that earlier layers see; copies of the heads.
  for (const char* part : {"denoising_class_embed", "class_embed", "bbox_embed"}) net.weights.ignore(part);
  ASSAY_TRY(const auto features, levels_of(resnet(net, picture.pixels, "model.backbone.model", backbone),
                                           backbone.handed_on, detr));
  const auto encoded = hybrid_encoder(net, features, detr,
                                      {.lateral_activation = detr.activation, .fuse = fuse, .halve = halve});
  const Memory memory = memory_of(net, encoded, detr, true);
  const SelectedQueries start = select_queries(net, memory, detr);
  const DeformableAttention samples{detr.decoder_layer.heads, memory.levels, detr.points, detr.offset_scale,
                                    detr.nearest};
  Value x = start.states, logits = start.boxes;
  Queries result;
  graph.set_scope("model.decoder");
  result.boxes = graph.logistic(logits);
  for (int layer = 0; layer < detr.decoder_layers; ++layer) {
    const std::string number = std::to_string(layer);
    const Value positions =
        relu_layers(net, result.boxes, "model.decoder.query_pos_head", {2 * detr.channels, detr.channels});
    x = decoder_layer(net, x, positions, result.boxes, memory.tokens, "model.decoder.layers." + number, detr,
                      samples);
    const Value change =
        relu_layers(net, x, head_name(net, "bbox_embed", layer), {detr.channels, detr.channels, 4});
    logits = graph.add(change, clamped_logit(net, logits));
    result.boxes = graph.logistic(logits);
  }
  result.logits = linear(net, x, head_name(net, "class_embed", detr.decoder_layers - 1), detr.classes);
  return result;
}

}  // namespace assay::detect
