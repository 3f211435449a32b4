#include "flow/coco_images.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

using nlohmann::json;

// The object without what is not needed, so that memory does not grow with the annotations.
json parse_images_only(ByteView bytes) {
  bool skipping = false;
  const auto keep = [&skipping](int depth, json::parse_event_t event, json& parsed) {
    if (depth == 1 && event == json::parse_event_t::key) skipping = parsed != "images";
    // Depth 1 is the outer object itself, which has to stay.
    return depth < 1 || event == json::parse_event_t::key || !skipping;
  };
  const std::string_view text = as_text(bytes);
  return json::parse(text.begin(), text.end(), keep, /*allow_exceptions=*/false);
}

Error bad_image(std::size_t index, const std::string& what) {
  return {ErrorCode::kCorrupt, "images, record " + std::to_string(index + 1) + ": " + what};
}

}  // namespace

Result<std::vector<CocoImage>> parse_coco_images(ByteView bytes) {
  const json file = parse_images_only(bytes);
  if (file.is_discarded())
    return Error{ErrorCode::kCorrupt, "is not valid JSON (file truncated?), expected COCO annotations"};
  if (!file.is_object()) return Error{ErrorCode::kCorrupt, "is not a JSON object, expected COCO annotations"};
  const auto list = file.find("images");
  if (list == file.end() || !list->is_array())
    return Error{ErrorCode::kCorrupt, "has no list \"images\", expected COCO annotations"};
  std::vector<CocoImage> images;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const json& record = (*list)[i];
    if (!record.is_object()) return bad_image(i, "is not an object");
    const auto id = record.find("id");
    if (id == record.end()) return bad_image(i, "\"id\" is missing");
    if (!id->is_number_integer()) return bad_image(i, "\"id\" is not a whole number");
    const auto name = record.find("file_name");
    if (name == record.end()) return bad_image(i, "\"file_name\" is missing");
    if (!name->is_string()) return bad_image(i, "\"file_name\" is not text");
    images.push_back({id->get<std::int64_t>(), name->get<std::string>()});
    const std::filesystem::path path = images.back().file_name;
    const bool leaves = std::find(path.begin(), path.end(), "..") != path.end();
    if (path.empty() || path.is_absolute() || leaves)
      return bad_image(i, "\"file_name\" leaves the folder of pictures, expected a name in it");
  }
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const auto twice = std::adjacent_find(images.begin(), images.end(),
                                        [](const auto& a, const auto& b) { return a.id == b.id; });
  if (twice != images.end())
    return Error{ErrorCode::kCorrupt, "images: id " + std::to_string(twice->id) + " is there twice"};
  return images;
}

Status check_pictures(std::span<const CocoImage> images, const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    return Error{ErrorCode::kNotFound,
                 folder.string() + ": is not a folder, expected the folder of pictures"};
  const CocoImage* first = nullptr;
  std::size_t missing = 0;
  for (const CocoImage& image : images) {
    if (std::filesystem::exists(folder / image.file_name, ignored)) continue;
    if (first == nullptr) first = &image;
    ++missing;
  }
  if (first == nullptr) return {};
  return Error{ErrorCode::kNotFound,
               folder.string() + ": " + std::to_string(missing) + " of the " + std::to_string(images.size()) +
                   " pictures of the annotations are not there, first " + first->file_name};
}

}  // namespace assay
