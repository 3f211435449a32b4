// Resizing, bit for bit as the two libraries that detectors were trained with. Their results differ by far
// more than rounding (Pillow averages all the pixels that a target covers, OpenCV takes four), and average
// precision with them. Thread safe.
#pragma once
#include "image/image.h"

namespace assay {

enum class ResizeKind {
  kPillowNearest,
  kPillowBilinear,  // antialiased
  kPillowBicubic,   // antialiased, a = -0.5
  kOpenCvLinear,    // cv2.INTER_LINEAR, including its switch to a 2x2 mean when both sides halve exactly
};

// Sources: Pillow's Resample.c (8 bits per channel, 22 fractional bits) and Geometry.c (nearest); OpenCV's
// resize.cpp (11-bit coefficients). REQUIRES: a picture that is not empty, and positive sides.
Image resize(const Image& image, int width, int height, ResizeKind kind);

}  // namespace assay
