#include <array>
#include <cmath>
#include <string>

#include "detect/families/deformable_attention.h"
#include "detect/families/family.h"
#include "detect/families/hgnet_v2.h"
#include "detect/families/hybrid_encoder.h"
#include "detect/families/query_selection.h"
#include "detect/families/rt_detr_config.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

using tflite::Op;
using tflite::TensorType;

constexpr int kMostBins = 1 << 10, kMostWidth = 1 << 16, kMostLayers = 64;

// Beside what RT-DETR has.
struct DFine {
  RtDetr detr;
  Hgnet backbone;
  int blocks = 3;       // RepVGG blocks in a row
  int used_layers = 1;  // of the decoder, up to the one whose answer counts
  int bins = 32;        // a side of a box is one of bins + 1 places, each with a probability
  int best_places = 4;  // those that tell how sure a side is
  int quality_width = 64, quality_layers = 2;
};

Result<DFine> read_d_fine(const nlohmann::json& config) {
  DFine d_fine;
  ASSAY_TRY(d_fine.detr, read_rt_detr(config));
  ASSAY_TRY(d_fine.backbone, read_hgnet(config));
  JsonFields fields(config);
  const double depth = fields.number("depth_mult", 1.0);
  const std::int64_t used = fields.integer("eval_idx", -1);
  const double layer_scale = fields.number("layer_scale", 1.0);
  d_fine.bins = static_cast<int>(fields.count("max_num_bins", 32, kMostBins));
  d_fine.best_places = static_cast<int>(fields.count("top_prob_values", 4, d_fine.bins + 1));
  d_fine.quality_width = static_cast<int>(fields.count("lqe_hidden_dim", 64, kMostWidth));
  d_fine.quality_layers = static_cast<int>(fields.count("lqe_layers", 2, kMostLayers));
  ASSAY_RETURN_IF_ERROR(fields.status());
  const int layers = d_fine.detr.decoder_layers;
  if (used < -layers || used >= layers)
    return Error{ErrorCode::kCorrupt, "eval_idx: " + std::to_string(used) + ", expected one of " +
                                          std::to_string(layers) + " decoder_layers"};
  d_fine.used_layers = static_cast<int>(used < 0 ? layers + used : used) + 1;
  // Of a fraction of one half, the even neighbour, as Python's round.
  const double blocks = std::nearbyint(3 * depth);
  if (!(blocks >= 0 && blocks <= kMostLayers))
    return Error{ErrorCode::kUnsupported, "depth_mult: " + std::to_string(depth)};
  d_fine.blocks = static_cast<int>(blocks);
  if (d_fine.bins % 2 != 0 || d_fine.bins < 4)
    return Error{ErrorCode::kUnsupported,
                 "max_num_bins: " + std::to_string(d_fine.bins) + ", expected an even number from 4 on"};
  if (layer_scale != 1.0 && d_fine.used_layers != layers)
    return Error{ErrorCode::kUnsupported, "layer_scale: " + std::to_string(layer_scale) + ", expected 1"};
  if (d_fine.detr.channels != d_fine.detr.encoder_channels &&
      d_fine.detr.input_channels.back() == d_fine.detr.channels)
    return Error{ErrorCode::kCorrupt, "decoder_in_channels: differs from encoder_hidden_dim"};
  return d_fine;
}

// "RepNCSPELAN4"; its own activation is SiLU, whatever the configuration says.
Value fuse(Network& net, Value x, const std::string& name, const RtDetr& detr, int blocks) {
  GraphBuilder& graph = net.graph;
  const int channels = detr.encoder_channels;
  const int inner = static_cast<int>(std::floor(detr.expansion * channels / 2));
  x = conv_norm(net, x, name + ".conv1", 2 * channels, 1, 1, detr, Nonlinearity::kSilu);
  if (!x.exists()) return {};
  Shape half = graph.shape(x);
  half[3] = channels;
  const Value second = graph.slice(x, {0, 0, 0, channels}, half);
  Value first_branch = csp_rep(net, second, name + ".csp_rep1", inner, inner, blocks, detr);
  first_branch = conv_norm(net, first_branch, name + ".conv2", inner, 3, 1, detr, Nonlinearity::kSilu);
  Value second_branch = csp_rep(net, first_branch, name + ".csp_rep2", inner, inner, blocks, detr);
  second_branch = conv_norm(net, second_branch, name + ".conv3", inner, 3, 1, detr, Nonlinearity::kSilu);
  graph.set_scope(name);
  return conv_norm(net, graph.concat({x, first_branch, second_branch}, 3), name + ".conv4", channels, 1, 1,
                   detr, Nonlinearity::kSilu);
}

Value halve(Network& net, Value x, const std::string& name, const RtDetr& detr) {
  x = conv_norm(net, x, name + ".conv1", detr.encoder_channels, 1, 1, detr, Nonlinearity::kNone);
  return depthwise_batch_norm(net, x, name + ".conv2.conv", name + ".conv2.norm", 3,
                              {.stride = 2, .padding = 1}, detr.batch_norm_epsilon);
}

// How much of the old state and of what was seen goes on.
Value gate(Network& net, Value old, Value seen, const std::string& name) {
  GraphBuilder& graph = net.graph;
  const int queries = graph.extent(old, 0), channels = graph.extent(old, 1);
  graph.set_scope(name);
  const Value gates = graph.logistic(linear(net, graph.concat({old, seen}, 1), name + ".gate", 2 * channels));
  const Value kept = graph.mul(graph.slice(gates, {0, 0}, {queries, channels}), old);
  const Value taken = graph.mul(graph.slice(gates, {0, channels}, {queries, channels}), seen);
  return layer_norm(net, graph.add(kept, taken), name + ".norm");
}

Value decoder_layer(Network& net, Value x, Value positions, Value boxes, const Memory& memory,
                    const std::string& name, const RtDetr& detr, const DeformableAttention& samples) {
  x = self_attention(net, x, positions, name, detr.decoder_layer);
  net.graph.set_scope(name + ".encoder_attn");
  const Value seen = deformable_attention(net, net.graph.add(x, positions), boxes, memory.tokens,
                                          name + ".encoder_attn", samples);
  x = gate(net, x, seen, name + ".gateway");
  // transformers clamps to the range of float16 before the last normalization; here is float32.
  return feed_forward(net, x, name, detr.decoder_layer);
}

// The places of a side that the bins stand for, from -2 to 2 times `up`, finer around 0 ("W(n)"), in parts of
// the box's size: the weighting function divided by the scale of the regression.
std::vector<float> places_of_bins(int bins, double up, double scale) {
  const double bound = std::abs(up) * std::abs(scale);
  const double step = std::pow(bound + 1, 2.0 / (bins - 2));
  std::vector<float> places;
  const auto add = [&](double place) { places.push_back(static_cast<float>(place / std::abs(scale))); };
  add(-2 * bound);
  for (int i = bins / 2 - 1; i > 0; --i) add(1 - std::pow(step, i));
  add(0);
  for (int i = 1; i < bins / 2; ++i) add(std::pow(step, i) - 1);
  add(2 * bound);
  return places;
}

// The box whose sides are moved outwards from those of `start` by the expected place of each.
Value moved(Network& net, Value start, Value probabilities, Value places) {
  GraphBuilder& graph = net.graph;
  const int queries = graph.extent(start, 0);
  const Value none = graph.constant(0.0f);
  const Value distances = graph.reshape(graph.fully_connected(probabilities, places, none), {queries, 4});
  const auto half = [&](Value x, int first) { return graph.slice(x, {0, first}, {queries, 2}); };
  const Value size = half(start, 2);
  const Value before = half(distances, 0), after = half(distances, 2);
  const Value shift = graph.mul(graph.mul(graph.sub(after, before), size), graph.constant(0.5f));
  const Value growth = graph.mul(graph.add(after, before), size);
  return graph.concat({graph.add(half(start, 0), shift), graph.add(size, growth)}, 1);
}

// Added to the logits of a query: how sure its sides are.
Value quality(Network& net, Value probabilities, const std::string& name, const DFine& d_fine) {
  GraphBuilder& graph = net.graph;
  graph.set_scope(name);
  const int queries = graph.extent(probabilities, 0);
  const Value best = graph.top_k(probabilities, d_fine.best_places).first;
  const Value facts = graph.concat({best, graph.reduce(Op::kMean, best, -1)}, 2);
  std::vector<int> widths(static_cast<std::size_t>(d_fine.quality_layers), d_fine.quality_width);
  widths.back() = 1;
  return relu_layers(net, graph.reshape(facts, {queries, 4 * (d_fine.best_places + 1)}), name + ".reg_conf",
                     widths);
}

// Layers of the decoder and heads that only the training asks.
void ignore_training(Network& net, const DFine& d_fine) {
  for (const char* part : {"denoising_class_embed", "class_embed", "bbox_embed", "model.decoder.lqe_layers."})
    net.weights.ignore(part);
  const int layers = d_fine.detr.decoder_layers;
  for (int layer = d_fine.used_layers; layer < 2 * layers - d_fine.used_layers; ++layer)
    net.weights.ignore("model.decoder.layers." + std::to_string(layer) + ".");
}

}  // namespace

Result<Queries> build_d_fine(Network& net, const nlohmann::json& config, const Picture& picture) {
  ASSAY_TRY(const DFine d_fine, read_d_fine(config));
  const RtDetr& detr = d_fine.detr;
  GraphBuilder& graph = net.graph;
  ignore_training(net, d_fine);
  ASSAY_TRY(const auto features,
            levels_of(hgnet(net, picture.pixels, "model.backbone.model", d_fine.backbone),
                      d_fine.backbone.handed_on, detr));
  const auto encoded = hybrid_encoder(
      net, features, detr,
      {.lateral_activation = Nonlinearity::kNone, .fuse = fuse, .halve = halve, .blocks = d_fine.blocks});
  const Memory memory = memory_of(net, encoded, detr, detr.input_channels.back() != detr.channels);
  const SelectedQueries start = select_queries(net, memory, detr);
  const DeformableAttention samples{detr.decoder_layer.heads, memory.levels, detr.points, detr.offset_scale,
                                    detr.nearest};
  const auto up = net.weights.floats("model.decoder.up", {1});
  const auto scale = net.weights.floats("model.decoder.reg_scale", {1});
  graph.set_scope("model.decoder");
  const int places_count = d_fine.bins + 1;
  const Value places =
      up.empty() || scale.empty()
          ? Value{}
          : graph.constant("model.decoder.places", {1, places_count},
                           tflite::Data::own_values(places_of_bins(d_fine.bins, up[0], scale[0])));
  Value x = start.states, earlier_x, first_boxes, sides, probabilities;
  Queries result;
  result.boxes = graph.logistic(start.boxes);
  for (int layer = 0; layer < d_fine.used_layers; ++layer) {
    const std::string number = std::to_string(layer);
    const Value positions = clamped(
        net,
        relu_layers(net, result.boxes, "model.decoder.query_pos_head", {2 * detr.channels, detr.channels}),
        10.0f);
    x = decoder_layer(net, x, positions, result.boxes, memory, "model.decoder.layers." + number, detr,
                      samples);
    if (layer == 0) {
      const Value change =
          relu_layers(net, x, "model.decoder.pre_bbox_head", {detr.channels, detr.channels, 4});
      first_boxes = graph.logistic(graph.add(change, clamped_logit(net, start.boxes)));
    }
    // Each layer adds to the logits of the places; the boxes are read off anew from the first ones.
    const Value both = layer == 0 ? x : graph.add(x, earlier_x);
    const Value change = relu_layers(net, both, head_name(net, "bbox_embed", layer),
                                     {detr.channels, detr.channels, 4 * places_count});
    sides = layer == 0 ? change : graph.add(change, sides);
    probabilities = graph.softmax(graph.reshape(sides, {detr.queries, 4, places_count}));
    result.boxes = moved(net, first_boxes, probabilities, places);
    earlier_x = x;
  }
  const int last = d_fine.used_layers - 1;
  const Value scores = linear(net, x, head_name(net, "class_embed", last), detr.classes);
  const Value sure = quality(net, probabilities, "model.decoder.lqe_layers." + std::to_string(last), d_fine);
  result.logits = graph.add(scores, sure);
  return result;
}

}  // namespace assay::detect
