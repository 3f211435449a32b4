#include "flow/renderer.h"

#include <cstdlib>
#include <string>
#include <vector>

namespace assay {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPython = "bin/python3";

bool is_there(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / kPython, error);
}

}  // namespace

Result<fs::path> find_renderer() {
  if (const char* named = std::getenv("ASSAY_RENDERER"); named != nullptr && *named != '\0') {
    if (is_there(named)) return fs::absolute(fs::path(named) / kPython);
    return Error{ErrorCode::kNotFound, std::string("ASSAY_RENDERER names ") + named + ", which has no " +
                                           kPython + "; tools/fetch-renderer fetches the renderer"};
  }
  std::vector<fs::path> places;
  std::error_code error;
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error) {
    const fs::path folder = program.parent_path();
    for (const char* place : {"../lib/assay/renderer", "../renderer"}) places.push_back(folder / place);
  }
  places.emplace_back(ASSAY_RENDERER_BUILD_PATH);
  for (const auto& place : places)
    if (is_there(place)) return (place / kPython).lexically_normal();
  return Error{ErrorCode::kNotFound,
               "the renderer (Vega-Lite and Typst), which draws plots and makes PDF, is not there; "
               "tools/fetch-renderer fetches "
               "it, and ASSAY_RENDERER may name another folder"};
}

}  // namespace assay
