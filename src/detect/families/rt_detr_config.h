// What config.json says of RT-DETR and its successors, with transformers' defaults.
// Source: transformers, RTDetrConfig, RTDetrV2Config, DFineConfig.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "detect/families/layers.h"

namespace assay::detect {

struct RtDetr {
  // the convolutional encoder
  int encoder_channels = 256;
  std::vector<int> transformed;  // levels that go through a transformer's encoder, from 0
  int encoder_layers = 1;
  TransformerLayer encoder_layer;
  double temperature = 10000.0;  // of the positions
  bool has_positions = true;
  Nonlinearity activation = Nonlinearity::kSilu;
  double expansion = 1.0;  // channels within a block, relative to the encoder's
  float batch_norm_epsilon = 1e-5f;

  // the decoder
  int channels = 256;
  std::vector<int> input_channels;  // by level, as many levels as there are
  int queries = 300;
  int classes = 0;
  bool learned_queries = false;
  int decoder_layers = 6;
  TransformerLayer decoder_layer;
  std::vector<int> points;  // by level
  float offset_scale = 0.5f;
  bool nearest = false;  // samples; "discrete"
};

// Errors: kUnsupported and kCorrupt, naming the key.
Result<RtDetr> read_rt_detr(const nlohmann::json& config);

}  // namespace assay::detect
