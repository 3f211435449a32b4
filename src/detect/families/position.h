// Sine position embeddings of a grid of features.
// Source: DETR, appendix A.4; transformers, DetrSinePositionEmbedding.
#pragma once
#include <vector>

namespace assay::detect {

// [height * width, channels]: the first half of the channels tells the row, the second half the column, sines
// and cosines in turn. Positions count from 1 (plus `offset`) and are scaled to 2 pi over the grid. REQUIRES:
// channels is a multiple of 4.
std::vector<float> sine_positions(int height, int width, int channels, double offset = 0.0,
                                  double temperature = 10000.0);

// [height * width, channels]: sines of the row, cosines of the row, sines and cosines of the column, a
// quarter of the channels each. Positions count from 0 and are not scaled. REQUIRES: channels is a multiple
// of 4. Source: transformers, build_2d_sinusoidal_position_embedding.
std::vector<float> unscaled_sine_positions(int height, int width, int channels, double temperature);

}  // namespace assay::detect
