// The cache that huggingface_hub and this program share, as
// https://huggingface.co/docs/hub/local-cache describes it:
//
//   <cache>/models--OWNER--NAME/blobs/<hash>              contents, by SHA-256 or git's blob id
//                              /snapshots/<commit>/FILE   links to them
//                              /refs/main                 the commit that "main" was last
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace assay {

struct HubRepository {
  std::string name;  // "OWNER/NAME"
  bool is_data_set = false;
};

// "hf:OWNER/NAME" names a model; neither word can leave a folder.
bool is_hub_name(std::string_view name);
// REQUIRES: is_hub_name(name).
HubRepository hub_model(std::string_view name);

// $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. It
// need not exist. Errors: kNotFound when none is set, HOME neither.
Result<std::filesystem::path> hub_cache_folder();

std::filesystem::path hub_folder(const std::filesystem::path& cache, const HubRepository& repository);

// The folder of the revision "main", whoever brought it; it may lack files.
std::optional<std::filesystem::path> hub_snapshot(const std::filesystem::path& cache,
                                                  const HubRepository& repository);

// The same if it is a whole model: a configuration, and .safetensors, all of them where an index lists them.
std::optional<std::filesystem::path> hub_model_snapshot(const std::filesystem::path& cache,
                                                        std::string_view name);

}  // namespace assay
