// What DETR shares with the detectors that follow it: configuration, backbone, layers of the transformer.
// Source: Carion et al., "End-to-End Object Detection with Transformers"; transformers, modeling_detr.py.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detect/families/layers.h"
#include "detect/families/position.h"
#include "detect/families/resnet.h"

namespace assay::detect {

struct DetrConfig {
  int channels, encoder_layers, decoder_layers, encoder_heads, decoder_heads, encoder_width, decoder_width;
  int queries;
  int labels;  // without "no object"
  Nonlinearity activation;
  Resnet backbone;
};

// Errors: kUnsupported, kCorrupt, naming the key.
Result<DetrConfig> read_detr_config(const nlohmann::json& config);

// The features of each stage, [1, height, width, channels].
std::vector<Value> detr_backbone(Network& net, Value pixels, const Resnet& backbone);

// The layers below are what `name` has in the checkpoint; x is [tokens, channels]. Each is added to x and
// normalized.
Value feed_forward(Network& net, Value x, const std::string& name, int width, Nonlinearity activation);
// Attention of x to itself; `positions` goes to queries and keys.
Value self_attention(Network& net, Value x, Value positions, const std::string& name, int heads,
                     Value mask = {});

// Encoder layers over the last stage of the backbone, projected: [tokens, channels], and the grid it is of.
struct Memory {
  Value values;
  Grid grid;
};
Memory detr_encoder(Network& net, const DetrConfig& detr, Value pixels, Value pixel_mask);

// model.query_position_embeddings.weight [queries, channels]
Value query_positions(Network& net, int queries, int channels);

}  // namespace assay::detect
