// Multi-scale deformable attention: each head of a query takes a few samples of the features instead of all.
// Source: Zhu et al., "Deformable DETR", equation 3; transformers, MultiScaleDeformableAttention and
// multi_scale_deformable_attention_v2. Samples are those of PyTorch's grid_sample (bilinear, zeros outside,
// align_corners false) up to the rounding of float32.
#pragma once
#include <string>
#include <vector>

#include "detect/families/layers.h"

namespace assay::detect {

// A grid of features; its tokens are in rows of `width`.
struct FeatureLevel {
  int height = 0, width = 0;
};

struct DeformableAttention {
  int heads = 1;
  std::vector<FeatureLevel> levels;
  std::vector<int> points;   // by level: samples that each head takes of it
  float offset_scale = 0.5;  // of boxes: an offset of 1 is this much of the size, divided by the level's
                             // points or multiplied by what `name`.n_points_scale or .num_points_scale keeps
  bool nearest = false;  // the feature at the sample's place instead of a mean of four ("discrete")
  // Where pictures are padded: [1, 2, 1, points of a head] from shares_of_points; references are multiplied
  // by it.
  Value shares;
};

// Of each point of a head, the share of its level's columns and rows; `shares` [levels, 2].
Value shares_of_points(GraphBuilder& graph, Value shares, const std::vector<int>& points);

// What the samples sum up to, [queries, channels of values], before the projection of the output.
// `queries` [queries, channels], with their positions; linear layers `name`.sampling_offsets and
// `name`.attention_weights say where to look and how much counts what is there. `reference`, the same for all
// levels: points [queries, 2], offsets then are in cells of the level; or boxes [queries, 4] as center and
// size, offsets then are relative to the size. Both relative to the picture. `values` [tokens, channels], the
// tokens of the levels one after the other, after the projection of the values.
Value deformable_attention(Network& net, Value queries, Value reference, Value values,
                           const std::string& name, const DeformableAttention& attention);

}  // namespace assay::detect
