// ResNet backbones under the two sets of names that checkpoints of detectors use.
// Source: He et al., "Deep Residual Learning", with the stride in the 3x3 convolution of a bottleneck;
// transformers' modeling_resnet.py, timm's models/resnet.py.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detect/families/layers.h"

namespace assay::detect {

struct Resnet {
  int stem_width = 64;
  std::vector<int> depths, widths;  // by stage; widths of what a stage puts out
  bool bottleneck = true;
  bool stride_in_first = false;  // of a bottleneck: in its 1x1 convolution
  bool stride_in_first_stage = false;
  bool dilate_last = false;  // the last stage keeps the resolution and spreads its taps ("DC5")
  int stages = 4;            // how many of them are used
};

// What config.json of a detector says of its backbone, in the ways that transformers has written it:
// `backbone` with the name of a timm model, or `backbone_config`. Errors: kUnsupported, kCorrupt, naming the
// key.
Result<Resnet> read_resnet(const nlohmann::json& config);

// The features of each stage, [1, height, width, channels]; `name` is the path of the backbone in the
// checkpoint. The names of timm or of transformers: whatever the checkpoint has.
std::vector<Value> resnet(Network& net, Value pixels, const std::string& name, const Resnet& description);

}  // namespace assay::detect
