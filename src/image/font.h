// A bitmap font of printable ASCII in the common 5 x 7 shapes.
#pragma once

namespace assay {

inline constexpr int kGlyphWidth = 5;
inline constexpr int kGlyphHeight = 7;

// Whether the glyph of `character` covers this pixel; row 0 is the top. Characters without a glyph look like
// '?'. REQUIRES: 0 <= column < kGlyphWidth, 0 <= row < kGlyphHeight.
bool glyph_pixel(char character, int column, int row);

}  // namespace assay
