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
  int channels, encoder_layers, decoder_layers, queries;
  TransformerLayer encoder_layer, decoder_layer;
  int labels;  // without "no object"
  Resnet backbone;
};

// Errors: kUnsupported, kCorrupt, naming the key.
Result<DetrConfig> read_detr_config(const nlohmann::json& config);
// Of detectors whose decoder is another one with that key. Errors: kUnsupported.
Status refuse_auxiliary_loss(const nlohmann::json& config);

// The features of each stage, [1, height, width, channels].
std::vector<Value> detr_backbone(Network& net, Value pixels, const Resnet& backbone);

// Encoder layers over the last stage of the backbone, projected: [tokens, channels], and the grid it is of.
struct EncodedPicture {
  Value values;
  FeatureGrid grid;
};
EncodedPicture detr_encoder(Network& net, const DetrConfig& detr, Value pixels, Value pixel_mask);

// model.query_position_embeddings.weight [queries, channels]
Value query_positions(Network& net, int queries, int channels);

}  // namespace assay::detect
