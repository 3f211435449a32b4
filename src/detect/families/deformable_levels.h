// The grids of features, of several resolutions, that deformable DETR samples.
#pragma once
#include <string>
#include <vector>

#include "detect/families/deformable_attention.h"
#include "detect/families/layers.h"

namespace assay::detect {

// The tokens of the levels stand one after the other. `mask` and `shares` exist where pictures are padded
// only.
struct Levels {
  std::vector<FeatureLevel> extents;
  Value tokens;     // [tokens, channels]
  Value positions;  // [tokens, channels], that of the level included
  Value places;     // [tokens, 2]: column and row of a token's middle, relative to the picture
  Value mask;       // [tokens, 1]: 1 where the picture is, 0 elsewhere
  Value shares;     // [levels, 2]: how much of a level's columns and rows has something of the picture
};

// `count` levels with model.input_proj: from the last of `features`, as many as are projected by 1x1
// convolutions, and further ones of half the resolution each. `pixel_mask` as in Picture. REQUIRES: channels
// is a multiple of kLevelGroups and 4. Errors: kCorrupt, where there are fewer features.
inline constexpr int kLevelGroups = 32;
Result<Levels> project_levels(Network& net, const std::vector<Value>& features, Value pixel_mask,
                              int channels, int count);

}  // namespace assay::detect
