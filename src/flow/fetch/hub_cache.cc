#include "flow/fetch/hub_cache.h"

#include <algorithm>
#include <cstdlib>

#include "base/mapped_file.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHubPrefix = "hf:";
constexpr int kIndexDepth = 8;

// Letters, digits, '-', '_' and '.', as the hub allows; never "." or "..".
bool is_hub_word(std::string_view word) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !word.empty() && word.front() != '.' && std::all_of(word.begin(), word.end(), allowed);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Whether the index's files are all there; an index that cannot be read counts as one whose files are not.
bool has_all_shards(const fs::path& folder, const fs::path& index) {
  const auto file = MappedFile::open(index);
  if (!file) return false;
  const auto json = parse_json(file->bytes(), kIndexDepth);
  if (!json || !json->is_object()) return false;
  const auto map = json->find("weight_map");
  if (map == json->end() || !map->is_object()) return false;
  std::error_code error;
  return std::all_of(map->begin(), map->end(), [&](const auto& shard) {
    return shard.is_string() && fs::exists(folder / shard.template get<std::string>(), error);
  });
}

}  // namespace

bool is_hub_name(std::string_view name) {
  if (!name.starts_with(kHubPrefix)) return false;
  name.remove_prefix(kHubPrefix.size());
  const auto slash = name.find('/');
  return slash != std::string_view::npos && is_hub_word(name.substr(0, slash)) &&
         is_hub_word(name.substr(slash + 1));
}

HubRepository hub_model(std::string_view name) {
  return {std::string(name.substr(kHubPrefix.size())), false};
}

Result<fs::path> hub_cache_folder() {
  if (const auto folder = variable("HF_HUB_CACHE"); !folder.empty()) return fs::path(folder);
  if (const auto home = variable("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "hub";
  if (const auto home = variable("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "huggingface" / "hub";
  return Error{ErrorCode::kNotFound, "no folder for the hub's files: set HF_HOME (HOME is not set either)"};
}

fs::path hub_folder(const fs::path& cache, const HubRepository& repository) {
  std::string name = repository.is_data_set ? "datasets--" : "models--";
  for (const char c : repository.name) name += c == '/' ? std::string("--") : std::string(1, c);
  return cache / name;
}

std::optional<fs::path> hub_snapshot(const fs::path& cache, const HubRepository& repository) {
  const fs::path folder = hub_folder(cache, repository);
  const auto reference = MappedFile::open(folder / "refs" / "main");
  if (!reference) return std::nullopt;
  const std::string commit(as_text(reference->bytes()));
  if (!is_hub_word(commit)) return std::nullopt;
  fs::path snapshot = folder / "snapshots" / commit;
  std::error_code error;
  if (!fs::is_directory(snapshot, error)) return std::nullopt;
  return snapshot;
}

std::optional<fs::path> hub_model_snapshot(const fs::path& cache, std::string_view name) {
  const auto snapshot = hub_snapshot(cache, hub_model(name));
  std::error_code error;
  if (!snapshot || !fs::exists(*snapshot / "config.json", error)) return std::nullopt;
  bool has_weights = false;
  for (const auto& entry : fs::directory_iterator(*snapshot, error)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".safetensors.index.json") && !has_all_shards(*snapshot, entry.path()))
      return std::nullopt;
    // A link whose content was removed does not count.
    has_weights = has_weights || (file.ends_with(".safetensors") && fs::exists(entry.path(), error));
  }
  return has_weights ? snapshot : std::nullopt;
}

}  // namespace assay
