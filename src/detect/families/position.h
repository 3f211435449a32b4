// Sine position embeddings, of a grid of features or of points.
// Source: DETR, appendix A.4; transformers, DetrSinePositionEmbedding, encode_sinusoidal_position_embedding.
#pragma once
#include <vector>

#include "detect/graph/graph_builder.h"

namespace assay::detect {

// [height * width, channels]: the first half of the channels tells the row, the second half the column, sines
// and cosines in turn. Positions count from 1 (plus `offset`) and are scaled to 2 pi over the grid. REQUIRES:
// channels is a multiple of 4.
std::vector<float> sine_positions(int height, int width, int channels, double offset = 0.0,
                                  double temperature = 10000.0);

// Sines and cosines in turn of x times 2 pi, at falling frequencies: [rows, columns] as [rows, columns *
// features]. REQUIRES: features is even.
Value sine_features(GraphBuilder& graph, Value x, int features);

// A grid of features and which of them are picture.
struct FeatureGrid {
  Value positions;  // [height * width, channels], as sine_positions
  // The rest where pictures may be padded only.
  Value mask;           // [height * width, 1]: 1 where the picture is, 0 elsewhere
  Value scores;         // [1, 1, height * width]: what keeps attention off the padding when added
  Value rows, columns;  // [1, 1]: how many of them have something of the picture
};

// The grid of `features` [1, height, width, ...]. Without a `pixel_mask` its positions are constant. With it,
// [1, picture height, picture width] of 1 where the picture is, padded right and below: the mask is its
// nearest element, and positions are scaled to the extent of the picture; those of the padding are of no use.
FeatureGrid feature_grid(GraphBuilder& graph, Value features, Value pixel_mask, int channels,
                         double offset = 0.0);

// [height * width, channels]: sines of the row, cosines of the row, sines and cosines of the column, a
// quarter of the channels each. Positions count from 0 and are not scaled. REQUIRES: channels is a multiple
// of 4. Source: transformers, build_2d_sinusoidal_position_embedding.
std::vector<float> unscaled_sine_positions(int height, int width, int channels, double temperature);

}  // namespace assay::detect
