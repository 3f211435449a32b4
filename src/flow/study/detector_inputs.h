// The pictures of a study of detectors.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/coco/readers.h"
#include "flow/coco_images.h"
#include "flow/study/study_spec.h"

namespace assay {

// Of the names and sizes of the pictures in a folder. Errors: those of pictures_in.
Result<std::string> digest_of_pictures(const std::filesystem::path& folder);

// Sets of pictures that were fetched by name become paths. Errors: kNotFound, saying how to fetch them;
// kInvalidArgument for a set that is not meant for its place.
Status resolve_sets(DetectorSpec& spec);

// The picture with the most objects among the first so many, the first of several; nothing where none has
// any.
std::optional<std::string> busiest_picture(const eval::coco::Annotations& truth,
                                           const std::vector<CocoImage>& images, std::int64_t count);

}  // namespace assay
