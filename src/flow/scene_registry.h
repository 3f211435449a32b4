// Sets of drawn scenes that can be used by name: nothing is fetched, the program draws them where models lie.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "flow/fetch/fetch_report.h"

namespace assay {

// Scenes from 0 on of two seeds, which differ from those that models/mini-detr was trained and chosen with (1
// and 2).
struct RegisteredScenes {
  std::string_view name;
  std::string_view description;
  std::string_view folder;  // below the models folder; a change of the drawing needs another one
  std::uint64_t evaluation_seed;
  std::int64_t evaluation_count;
  std::uint64_t calibration_seed;
  std::int64_t calibration_count;
};

std::span<const RegisteredScenes> registered_scenes();

// Where a set's files are below the models folder.
struct SceneFiles {
  std::filesystem::path root, images, annotations, calibration, calibration_annotations;
};
SceneFiles scene_files(const RegisteredScenes& set, const std::filesystem::path& models);
bool scenes_are_there(const SceneFiles& files);

// Draws what is not there yet, on all cores. Errors: kIo, kInterrupted.
Result<FetchReport> draw_registered_scenes(const RegisteredScenes& set, const std::filesystem::path& models,
                                           Progress& progress);

}  // namespace assay
