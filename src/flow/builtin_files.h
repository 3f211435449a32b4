// Files that the program carries and that are written where models lie when somebody asks for them.
#pragma once
#include "base/bytes.h"

namespace assay {

struct BuiltinFiles {
  ByteView faces;  // models/faces/annotations.json
  ByteView mini_detr_config, mini_detr_processor, mini_detr_weights;
};

}  // namespace assay
