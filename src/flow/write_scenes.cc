#include "flow/write_scenes.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "image/encode.h"
#include "scenes/annotations.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Drawn at a time: enough for all threads, few enough to stay small in memory and to stop soon.
constexpr std::int64_t kGroup = 64;

Status make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": cannot be created: " + error.message()};
  return {};
}

// Draws all scenes of a range in groups. `on_thread` gets each scene on the thread that drew it, `in_order`
// afterwards one after the other.
Status draw_all(const SceneRange& range, ThreadPool& pool, Progress& progress,
                const std::function<Status(std::uint64_t, const scenes::Scene&)>& on_thread,
                const std::function<Status(std::uint64_t, const scenes::Scene&)>& in_order) {
  if (range.count < 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "the count of scenes must be 1 or more, not " + std::to_string(range.count)};
  }
  for (std::int64_t start = 0; start < range.count; start += kGroup) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const std::int64_t group = std::min(kGroup, range.count - start);
    std::vector<scenes::Scene> drawn(static_cast<std::size_t>(group));
    std::vector<Status> done(drawn.size());
    pool.parallel_for(group, 1, [&](WorkRange part) {
      for (std::int64_t i = part.begin; i < part.end; ++i) {
        const std::uint64_t index = range.first + static_cast<std::uint64_t>(start + i);
        auto scene = scenes::draw_scene(range.seed, index, range.size);
        const auto at = static_cast<std::size_t>(i);
        if (!scene) {
          done[at] = scene.error();
          continue;
        }
        drawn[at] = *std::move(scene);
        done[at] = on_thread(index, drawn[at]);
      }
    });
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      ASSAY_RETURN_IF_ERROR(done[i]);
      ASSAY_RETURN_IF_ERROR(in_order(range.first + static_cast<std::uint64_t>(start) + i, drawn[i]));
    }
    progress.update("drawing", start + group, range.count);
  }
  return {};
}

}  // namespace

Result<ScenesReport> write_scenes(const SceneRange& range, const fs::path& folder, ThreadPool& pool,
                                  Progress& progress) {
  const fs::path pictures = folder / "images";
  ASSAY_RETURN_IF_ERROR(make_folder(pictures));
  scenes::Annotations annotations(range.seed, range.size);
  ASSAY_RETURN_IF_ERROR(draw_all(
      range, pool, progress,
      [&](std::uint64_t index, const scenes::Scene& scene) -> Status {
        ASSAY_TRY(const std::string png, encode_png(scene.image));
        return write_file_atomically(pictures / scenes::file_name(index), png);
      },
      [&](std::uint64_t index, const scenes::Scene& scene) -> Status {
        annotations.add(index, scene.objects);
        return {};
      }));
  const fs::path truth = folder / "annotations.json";
  ASSAY_RETURN_IF_ERROR(write_file_atomically(truth, annotations.to_json().dump() + "\n"));
  return ScenesReport{pictures, truth, static_cast<std::int64_t>(annotations.object_count())};
}

Result<ScenesReport> write_raw_scenes(const SceneRange& range, const fs::path& file, ThreadPool& pool,
                                      Progress& progress) {
  scenes::Annotations annotations(range.seed, range.size);
  ASSAY_TRY(AtomicFile pixels, AtomicFile::create(file));
  ASSAY_RETURN_IF_ERROR(draw_all(
      range, pool, progress, [](std::uint64_t, const scenes::Scene&) -> Status { return {}; },
      [&](std::uint64_t index, const scenes::Scene& scene) -> Status {
        annotations.add(index, scene.objects);
        return pixels.write(
            ByteView(reinterpret_cast<const std::byte*>(scene.image.rgb.data()), scene.image.rgb.size()));
      }));
  const fs::path truth = file.string() + ".json";
  ASSAY_RETURN_IF_ERROR(write_file_atomically(truth, annotations.to_json().dump() + "\n"));
  ASSAY_RETURN_IF_ERROR(pixels.commit());
  return ScenesReport{file, truth, static_cast<std::int64_t>(annotations.object_count())};
}

}  // namespace assay
