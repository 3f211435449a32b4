// Bicubic resizing of tables of position embeddings.
// Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", with a = -0.75 as in
// PyTorch's interpolate(mode="bicubic", align_corners=False).
#pragma once
#include <vector>

namespace assay::detect {

// From [height, width, channels] to [to_height, to_width, channels]; taps beyond the border repeat it. Summed
// in float64 and rounded once.
std::vector<float> resize_bicubic(const std::vector<float>& values, int height, int width, int channels,
                                  int to_height, int to_width);

}  // namespace assay::detect
