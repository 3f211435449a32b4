// Scenes that the program draws (scenes/scene.h), as files: a set of pictures with COCO annotations, or raw
// pixels to train on.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "scenes/scene.h"

namespace assay {

// Scenes first to first + count - 1 of a seed.
struct SceneRange {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::int64_t count = 0;
  scenes::Size size;
};

struct ScenesReport {
  std::filesystem::path pictures;     // a folder, or the file of raw pixels
  std::filesystem::path annotations;  // in COCO's format
  std::int64_t objects = 0;
};

// folder/images/000000.png and so on, then folder/annotations.json, which is there only when all pictures
// are. The same range gives the same pixels and annotations with any number of threads, on any machine.
// Errors: kInvalidArgument (a side or a count that cannot be), kIo, kInterrupted.
Result<ScenesReport> write_scenes(const SceneRange& range, const std::filesystem::path& folder,
                                  ThreadPool& pool, Progress& progress);

// `file`: count * height * width * 3 bytes, red, green, blue; `file`.json: the annotations. Both appear
// whole, the pixels last. Errors: as write_scenes.
Result<ScenesReport> write_raw_scenes(const SceneRange& range, const std::filesystem::path& file,
                                      ThreadPool& pool, Progress& progress);

}  // namespace assay
