#include "flow/scene_registry.h"

#include <algorithm>
#include <thread>
#include <tuple>

#include "flow/write_scenes.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr RegisteredScenes kSets[] = {
    {"scenes", "500 drawn scenes with ten kinds of objects, 64 others to calibrate with", "scenes-1", 3, 500,
     4, 64}};

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

std::span<const RegisteredScenes> registered_scenes() { return kSets; }

SceneFiles scene_files(const RegisteredScenes& set, const fs::path& models) {
  const fs::path root = models / set.folder;
  return {root, root / "evaluation/images", root / "evaluation/annotations.json", root / "calibration/images",
          root / "calibration/annotations.json"};
}

bool scenes_are_there(const SceneFiles& files) {
  // The annotations of each half are written after its pictures.
  return is_there(files.annotations) && is_there(files.calibration_annotations);
}

Result<FetchReport> draw_registered_scenes(const RegisteredScenes& set, const fs::path& models,
                                           Progress& progress) {
  const SceneFiles files = scene_files(set, models);
  if (scenes_are_there(files)) return FetchReport{files.root, true};
  ThreadPool pool(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  for (const auto& [truth, seed, count] :
       {std::tuple(files.annotations, set.evaluation_seed, set.evaluation_count),
        std::tuple(files.calibration_annotations, set.calibration_seed, set.calibration_count)}) {
    if (is_there(truth)) continue;
    const auto report = write_scenes({seed, 0, count, {}}, truth.parent_path(), pool, progress);
    if (!report) return report.error();
  }
  return FetchReport{files.root, false};
}

}  // namespace assay
