// The one thing that is read from EXIF.
#pragma once
#include "base/bytes.h"
#include "image/image.h"

namespace assay::image_internal {

// The orientation, 1 to 8, from a TIFF structure (what follows "Exif\0\0" in a JPEG, or PNG's eXIf chunk).
// 1 where it is absent or the structure is broken: a picture is not refused for its metadata.
// Source: TIFF 6.0, section 2; EXIF 2.3, tag 0x0112.
int exif_orientation(ByteView tiff);

// The picture turned and mirrored so that it is upright.
Image apply_orientation(Image image, int orientation);

}  // namespace assay::image_internal
