// Where the Python programs that draw plots and set pages are.
#pragma once
#include <filesystem>

#include "base/result.h"

namespace assay {

// The Python of the environment that tools/fetch-renderer makes: ASSAY_RENDERER (a folder), else beside the
// program or in the build folder. Errors: kNotFound with how to get it.
Result<std::filesystem::path> find_renderer();

}  // namespace assay
