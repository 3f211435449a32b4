// ResNet backbones under the two sets of names that checkpoints of detectors use.
// Source: He et al., "Deep Residual Learning", with the stride in the 3x3 convolution of a bottleneck;
// transformers' modeling_resnet.py and modeling_rt_detr_resnet.py, timm's models/resnet.py.
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
  // "ResNet-vd" (He et al., "Bag of Tricks"): three 3x3 convolutions as the stem, and shortcuts that change
  // the resolution take means of 2x2 pixels before their convolution.
  bool vd = false;
  std::vector<int> handed_on;  // the stages whose features a detector takes, from 1
  int stages() const { return handed_on.empty() ? static_cast<int>(depths.size()) : handed_on.back(); }
};

// What config.json of a detector says of its backbone, in the ways that transformers has written it:
// `backbone` with the name of a timm model, or `backbone_config`. Errors: kUnsupported, kCorrupt, naming the
// key.
Result<Resnet> read_resnet(const nlohmann::json& config);

// The features of each stage that is needed, [1, height, width, channels]; `name` is the path of the backbone
// in the checkpoint. The names of timm or of transformers: whatever the checkpoint has.
std::vector<Value> resnet(Network& net, Value pixels, const std::string& name, const Resnet& description);

}  // namespace assay::detect
