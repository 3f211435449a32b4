// HGNetV2 backbones. Source: PaddlePaddle's PP-HGNetV2; transformers, modeling_hgnet_v2.py.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detect/families/layers.h"

namespace assay::detect {

struct HgnetStage {
  int inner_channels, channels, blocks, layers, size;  // size: of the convolutions in a block
  int stride;                                          // 1 where the stage keeps the resolution
  bool halves_first;                                   // has a depthwise convolution of that stride in front
  bool light;  // convolutions of 1x1 and depthwise ones instead of whole ones
};

struct Hgnet {
  int stem_width = 0, stem_channels = 0;  // within the stem and out of it
  std::vector<int> stem_strides;          // of its five convolutions
  std::vector<HgnetStage> stages;
  bool affine = false;  // a learned scale and shift after each ReLU
  std::vector<int> handed_on;
};

// From `backbone_config` of config.json. Errors: kUnsupported, kCorrupt, naming the key.
Result<Hgnet> read_hgnet(const nlohmann::json& config);

// The features of each stage that is needed, [1, height, width, channels]; `name` is the path of the
// backbone.
std::vector<Value> hgnet(Network& net, Value pixels, const std::string& name, const Hgnet& description);

}  // namespace assay::detect
