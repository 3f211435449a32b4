// Which pictures a COCO annotation file is about.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
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

// That all of them are in the folder; whether they can be decoded shows later. Errors: kNotFound, with the
// number of those that are not, and the name of the first.
Status check_pictures(std::span<const CocoImage> images, const std::filesystem::path& folder);

}  // namespace assay
