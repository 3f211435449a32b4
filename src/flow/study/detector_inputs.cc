#include "flow/study/detector_inputs.h"

#include <algorithm>

#include "base/digest.h"
#include "flow/calibrate_detector.h"
#include "flow/fetch/catalog.h"

namespace assay {

namespace fs = std::filesystem;

// Names and sizes stand for the pictures: reading all of them at every start would take minutes.
Result<std::string> digest_of_pictures(const fs::path& folder) {
  ASSAY_TRY(const auto pictures, pictures_in(folder));
  Sha256 digest;
  for (const auto& path : pictures) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    const std::string line = path.filename().string() + " " + std::to_string(error ? 0 : size) + "\n";
    digest.add(as_bytes(line));
  }
  return digest.finish();
}

Status resolve_sets(DetectorSpec& spec) {
  const auto find = [](const std::string& name) -> Result<PictureSet> {
    ASSAY_TRY(PictureSet set, picture_set(name));
    for (const auto& needed : set.items) {
      ASSAY_TRY(const CatalogItem item, catalog_item(needed));
      if (!item.present) return not_there_yet(item);
    }
    return set;
  };
  if (!spec.data_set.empty()) {
    ASSAY_TRY(const PictureSet set, find(spec.data_set));
    if (set.annotations.empty())
      return Error{ErrorCode::kInvalidArgument, spec.data_set + ": has no annotations to evaluate with"};
    spec.images = set.images;
    spec.annotations = set.annotations;
  }
  if (!spec.calibration_set.empty()) {
    ASSAY_TRY(const PictureSet set, find(spec.calibration_set));
    if (set.calibration.empty())
      return Error{ErrorCode::kInvalidArgument,
                   spec.calibration_set + ": is there to evaluate on, and has no pictures to calibrate with"};
    spec.calibration = set.calibration;
  }
  return {};
}

std::optional<std::string> busiest_picture(const eval::coco::Annotations& truth,
                                           const std::vector<CocoImage>& images, std::int64_t count) {
  std::vector<std::int64_t> objects(static_cast<std::size_t>(count));
  for (const auto& box : truth.boxes) {
    if (box.image < count && !box.crowd) ++objects[static_cast<std::size_t>(box.image)];
  }
  const auto most = std::max_element(objects.begin(), objects.end());
  if (most == objects.end() || *most == 0) return std::nullopt;
  return images[static_cast<std::size_t>(most - objects.begin())].file_name;
}

}  // namespace assay
