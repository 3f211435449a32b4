#include "flow/fetch/hub.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/digest.h"
#include "flow/fetch/file_lock.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20;
constexpr int kAnswerDepth = 32;
constexpr std::uint64_t kMegabyte = 1'000'000;

struct HubFile {
  std::string name;
  std::uint64_t num_bytes = 0;
  std::string sha256;   // of large files
  std::string blob_id;  // of the others

  // What the hub calls its ETag, and the cache the content.
  const std::string& hash() const { return sha256.empty() ? blob_id : sha256; }
};

struct HubRevision {
  std::string commit;
  std::vector<HubFile> files;
};

std::string variable_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

using Wanted = std::function<bool(std::string_view)>;

bool makes_a_model(std::string_view name) {
  if (name.find('/') != std::string_view::npos || name.find('\\') != std::string_view::npos ||
      name.starts_with('.'))
    return false;
  static constexpr std::string_view kNames[] = {
      "config.json",    "quantize_config.json",  "generation_config.json",  "preprocessor_config.json",
      "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
      "merges.txt"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
}

std::string text_at(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<HubFile> parse_file(const nlohmann::json& entry) {
  HubFile file{text_at(entry, "rfilename")};
  const auto size = entry.find("size");
  if (size == entry.end() || !size->is_number_unsigned())
    return Error{ErrorCode::kCorrupt, "file " + file.name + " has no size"};
  file.num_bytes = size->get<std::uint64_t>();
  file.blob_id = text_at(entry, "blobId");
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object())
    file.sha256 = text_at(*lfs, "sha256");
  const bool is_hash = file.hash().size() == (file.sha256.empty() ? 40 : 64) && is_hexadecimal(file.hash());
  if (!is_hash) return Error{ErrorCode::kCorrupt, "file " + file.name + " has no hash"};
  return file;
}

// The answer of /api/models/<repository>?blobs=true.
Result<HubRevision> parse_revision(std::string_view text, const Wanted& wanted) {
  ASSAY_TRY(const nlohmann::json answer, parse_json(as_bytes(text), kAnswerDepth));
  const auto siblings = answer.is_object() ? answer.find("siblings") : answer.end();
  if (!answer.is_object() || siblings == answer.end() || !siblings->is_array())
    return Error{ErrorCode::kCorrupt, "has no list of files (siblings)"};
  HubRevision revision{text_at(answer, "sha"), {}};
  if (revision.commit.size() != 40 || !is_hexadecimal(revision.commit))
    return Error{ErrorCode::kCorrupt, "names no commit (sha)"};
  for (const auto& entry : *siblings) {
    if (!entry.is_object() || !wanted(text_at(entry, "rfilename"))) continue;
    ASSAY_TRY(HubFile file, parse_file(entry));
    revision.files.push_back(std::move(file));
  }
  return revision;
}

Result<bool> is_right(const fs::path& path, const HubFile& file) {
  std::error_code error;
  if (fs::file_size(path, error) != file.num_bytes || error) return false;
  if (!file.sha256.empty()) {
    ASSAY_TRY(const std::string found, sha256_of_file(path));
    return found == file.sha256;
  }
  ASSAY_TRY(const MappedFile content, MappedFile::open(path));
  return git_blob_id(content.bytes()) == file.blob_id;
}

// A repository of the hub and its part of the cache.
class HubMirror {
 public:
  HubMirror(HubRepository repository, const fs::path& cache, HttpOptions http)
      : repository_(std::move(repository)),
        folder_(hub_folder(cache, repository_)),
        locks_(cache / ".locks" / folder_.filename()),
        endpoint_(variable_or("HF_ENDPOINT", "https://huggingface.co")),
        http_(std::move(http)) {
    http_.bearer_token = variable_or("HF_TOKEN", "");
  }

  std::string list_address() const {
    const char* kind = repository_.is_data_set ? "datasets/" : "models/";
    return endpoint_ + "/api/" + kind + repository_.name + "?blobs=true";
  }

  Result<HubRevision> list(const Wanted& wanted) const {
    ASSAY_TRY(const std::string answer, http_get(list_address(), kMaxAnswerBytes, http_));
    auto revision = parse_revision(answer, wanted);
    if (!revision) return revision.error().with_context(list_address());
    return revision;
  }

  // Brings the contents, then makes the snapshot. The snapshot's folder.
  Result<fs::path> bring(const HubRevision& revision, Progress& progress) {
    std::error_code error;
    fs::create_directories(folder_ / "blobs", error);
    if (error) return Error{ErrorCode::kIo, folder_.string() + ": cannot be created: " + error.message()};
    std::uint64_t total = 0, done = 0;
    for (const auto& file : revision.files) total += file.num_bytes;
    for (const auto& file : revision.files) {
      std::uint64_t furthest = 0;
      ASSAY_RETURN_IF_ERROR(bring_content(revision.commit, file, [&](std::uint64_t bytes) {
        furthest =
            std::max(furthest, done + bytes);  // a server that cannot resume sends again what was there
        progress.update("fetching (MB)", static_cast<std::int64_t>(furthest / kMegabyte),
                        static_cast<std::int64_t>(total / kMegabyte + 1));
      }));
      done += file.num_bytes;
    }
    const fs::path snapshot = folder_ / "snapshots" / revision.commit;
    for (const auto& file : revision.files) ASSAY_RETURN_IF_ERROR(link(snapshot, file));
    fs::create_directories(folder_ / "refs", error);
    ASSAY_RETURN_IF_ERROR(write_file_atomically(folder_ / "refs" / "main", revision.commit));
    return snapshot;
  }

 private:
  Status bring_content(const std::string& commit, const HubFile& file,
                       const std::function<void(std::uint64_t)>& on_bytes) {
    const fs::path content = folder_ / "blobs" / file.hash();
    std::error_code error;
    if (fs::exists(content, error)) {
      ASSAY_TRY(const bool right, is_right(content, file));
      if (right) return {};
    }
    ASSAY_TRY(const FileLock lock, FileLock::take(locks_ / (file.hash() + ".lock")));
    const fs::path partial = content.string() + ".incomplete";
    const std::string url = endpoint_ + (repository_.is_data_set ? "/datasets/" : "/") + repository_.name +
                            "/resolve/" + commit + "/" + file.name;
    ASSAY_RETURN_IF_ERROR(http_download(url, partial, file.num_bytes, http_, on_bytes));
    ASSAY_TRY(const bool right, is_right(partial, file));
    if (!right) {
      fs::remove(partial, error);
      return Error{ErrorCode::kCorrupt, url + ": the download's hash is not " + file.hash() +
                                            ", which the hub announces; run the command again"};
    }
    fs::rename(partial, content, error);
    if (error) return Error{ErrorCode::kIo, content.string() + ": cannot be named: " + error.message()};
    return {};
  }

  Status link(const fs::path& snapshot, const HubFile& file) {
    const fs::path path = snapshot / file.name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    const fs::path target = fs::relative(folder_ / "blobs" / file.hash(), path.parent_path(), error);
    if (fs::read_symlink(path, error) == target) return {};
    fs::remove(path, error);
    fs::create_symlink(target, path, error);
    if (error) return Error{ErrorCode::kIo, path.string() + ": cannot be linked: " + error.message()};
    return {};
  }

  HubRepository repository_;
  fs::path folder_, locks_;
  std::string endpoint_;
  HttpOptions http_;
};

}  // namespace

Result<FetchReport> fetch_hub_model(const std::string& name, const fs::path& cache, const HttpOptions& http,
                                    Progress& progress) {
  if (!is_hub_name(name))
    return Error{ErrorCode::kInvalidArgument, name + ": is not of the form hf:OWNER/NAME"};
  if (const auto present = hub_model_snapshot(cache, name)) return FetchReport{*present, true};
  HubMirror mirror(hub_model(name), cache, http);
  ASSAY_TRY(const HubRevision revision, mirror.list(makes_a_model));
  const bool has_weights = std::any_of(revision.files.begin(), revision.files.end(),
                                       [](const auto& file) { return file.name.ends_with(".safetensors"); });
  if (!has_weights)
    return Error{ErrorCode::kUnsupported,
                 mirror.list_address() + ": has no .safetensors file at its top level"};
  ASSAY_TRY(const fs::path snapshot, mirror.bring(revision, progress));
  return FetchReport{snapshot, false};
}

Result<FetchReport> fetch_hub_file(const HubRepository& repository, const std::string& file,
                                   std::string_view sha256, const fs::path& cache, const HttpOptions& http,
                                   Progress& progress) {
  if (const auto snapshot = hub_snapshot(cache, repository)) {
    std::error_code error;
    if (fs::exists(*snapshot / file, error)) {
      ASSAY_TRY(const std::string found, sha256_of_file(*snapshot / file));
      if (found == sha256) return FetchReport{*snapshot / file, true};
    }
  }
  HubMirror mirror(repository, cache, http);
  ASSAY_TRY(const HubRevision revision, mirror.list([&](std::string_view name) { return name == file; }));
  if (revision.files.empty())
    return Error{ErrorCode::kNotFound, mirror.list_address() + ": lists no file " + file};
  ASSAY_TRY(const fs::path snapshot, mirror.bring(revision, progress));
  ASSAY_TRY(const std::string found, sha256_of_file(snapshot / file));
  if (found != sha256)
    return Error{ErrorCode::kCorrupt, file + ": the hub now has another content, SHA-256 " + found +
                                          ", expected " + std::string(sha256)};
  return FetchReport{snapshot / file, false};
}

}  // namespace assay
