// Scaling and moving in one step, as cv2.warpPerspective does it for such a matrix.
#pragma once
#include <cstdint>

#include "image/image.h"

namespace assay {

struct Offset {
  double x, y;
};

// A picture of width x height whose pixel (x, y) lies at ((x - offset.x) / scale, (y - offset.y) / scale) of
// `image`, whole numbers being centers of pixels there and here. Linear between four pixels (no
// antialiasing), `border` outside. Source: OpenCV 4's remap with INTER_LINEAR: positions in steps of 1/32,
// weights of 15 bits; a position half way between two
// steps may go the other way than in OpenCV, which inverts its matrix in floating point. REQUIRES: a picture
// that is not empty, positive sides and scale. Thread safe.
Image warp(const Image& image, int width, int height, double scale, Offset offset, std::uint8_t border);

}  // namespace assay
