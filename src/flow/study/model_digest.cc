#include "flow/study/model_digest.h"

#include <algorithm>
#include <vector>

#include "base/digest.h"

namespace assay {

namespace fs = std::filesystem;

Result<std::string> digest_of_model(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return sha256_of_file(path);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string lines;
  for (const auto& file : files) {
    ASSAY_TRY(const std::string digest, sha256_of_file(file));
    lines += file.filename().string() + " " + digest + "\n";
  }
  return sha256_of(as_bytes(lines));
}

}  // namespace assay
