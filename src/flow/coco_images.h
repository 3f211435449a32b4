// Which pictures a COCO annotation file is about.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

struct CocoImage {
  std::int64_t id = 0;
  std::string file_name;
};

// The list "images" of an annotation file, by ascending id; "annotations" is skipped, whatever its size.
// Errors: kCorrupt, naming the record and the field: no JSON, no list, no whole number as id, no file name,
// an id twice, or a file name that leaves the folder of pictures.
Result<std::vector<CocoImage>> parse_coco_images(ByteView json);

}  // namespace assay
