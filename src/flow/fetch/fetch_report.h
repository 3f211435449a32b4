// What bringing something by name came to.
#pragma once
#include <filesystem>

namespace assay {

struct FetchReport {
  std::filesystem::path path;  // of the file or folder
  bool was_present = false;    // nothing had to be done
};

}  // namespace assay
