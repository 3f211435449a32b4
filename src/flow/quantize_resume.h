// What an interrupted quantization leaves behind, and how the next call goes on from it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "flow/quantize_llm.h"

namespace assay {

// The folder `out`.partial: settings.json, one .safetensors and one .json per finished block, and the result while it is
// written. Not thread safe; one process at a time.
class QuantizeResume {
 public:
  // Creates the folder, or takes over the one that is there if it was made with the same `fingerprint`.
  // Errors: kInvalidArgument when it was made with other settings and not `restart`; kIo.
  static Result<QuantizeResume> open(const std::filesystem::path& out, const std::string& fingerprint, bool restart);

  const std::filesystem::path& folder() const { return folder_; }
  bool has_block(std::int64_t layer) const;
  // Puts the stored matrices into `block`. Errors: kCorrupt, naming the file to remove.
  Result<BlockReport> load_block(std::int64_t layer, Block& block) const;
  Status save_block(std::int64_t layer, const Block& block, const BlockReport& report) const;

  // An empty folder for the result.
  Result<std::filesystem::path> result_folder() const;
  // Moves the result to `out` and removes everything else.
  Status publish() const;

 private:
  QuantizeResume(std::filesystem::path out, std::filesystem::path folder) : out_(std::move(out)), folder_(std::move(folder)) {}
  std::filesystem::path block_path(std::int64_t layer, const char* extension) const;
  std::filesystem::path out_;
  std::filesystem::path folder_;
};

}  // namespace assay
