// A picture in memory: 8 bits per channel, red, green, blue interleaved, rows from the top, no padding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height * width * 3

  Image() = default;
  // All black. REQUIRES: both sides positive; the caller has bounded their product.
  Image(int columns, int rows)
      : width(columns),
        height(rows),
        rgb(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows) * 3) {}

  std::size_t row_bytes() const { return static_cast<std::size_t>(width) * 3; }
  std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * row_bytes(); }
  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * row_bytes(); }
};

}  // namespace assay
