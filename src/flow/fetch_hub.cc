#include "flow/fetch_hub.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "flow/digest.h"
#include "flow/http.h"
#include "flow/model_registry.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20;
constexpr int kAnswerDepth = 32;
constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr const char* kRevisionFile = ".revision";

struct HubFile {
  std::string name;
  std::uint64_t num_bytes = 0;
  std::string sha256;   // of large files
  std::string blob_id;  // of the others
};

struct HubRevision {
  std::string commit;
  std::vector<HubFile> files;
};

std::string variable_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

bool is_wanted(std::string_view name) {
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

Result<HubFile> parse_file(const nlohmann::json& entry) {
  HubFile file{text_at(entry, "rfilename")};
  const auto size = entry.find("size");
  if (size == entry.end() || !size->is_number_unsigned())
    return Error{ErrorCode::kCorrupt, "file " + file.name + " has no size"};
  file.num_bytes = size->get<std::uint64_t>();
  file.blob_id = text_at(entry, "blobId");
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object())
    file.sha256 = text_at(*lfs, "sha256");
  if (file.sha256.empty() && file.blob_id.empty())
    return Error{ErrorCode::kCorrupt, "file " + file.name + " has no hash"};
  return file;
}

// The answer of /api/models/<repository>?blobs=true.
Result<HubRevision> parse_revision(std::string_view text) {
  ASSAY_TRY(const nlohmann::json answer, parse_json(as_bytes(text), kAnswerDepth));
  const auto siblings = answer.is_object() ? answer.find("siblings") : answer.end();
  if (!answer.is_object() || siblings == answer.end() || !siblings->is_array())
    return Error{ErrorCode::kCorrupt, "has no list of files (siblings)"};
  HubRevision revision{text_at(answer, "sha"), {}};
  const bool is_commit = revision.commit.size() == 40 &&
                         revision.commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_commit) return Error{ErrorCode::kCorrupt, "names no commit (sha)"};
  bool has_weights = false;
  for (const auto& entry : *siblings) {
    if (!entry.is_object() || !is_wanted(text_at(entry, "rfilename"))) continue;
    ASSAY_TRY(HubFile file, parse_file(entry));
    has_weights = has_weights || file.name.ends_with(".safetensors");
    revision.files.push_back(std::move(file));
  }
  if (!has_weights) return Error{ErrorCode::kUnsupported, "has no .safetensors file at its top level"};
  return revision;
}

Status check_file(const fs::path& path, const HubFile& file) {
  std::string found;
  if (!file.sha256.empty()) {
    ASSAY_TRY(found, sha256_of_file(path));
  } else {
    ASSAY_TRY(const MappedFile content, MappedFile::open(path));
    found = git_blob_id(content.bytes());
  }
  const std::string& expected = file.sha256.empty() ? file.blob_id : file.sha256;
  if (found == expected) return {};
  std::error_code error;
  fs::remove(path, error);
  return Error{ErrorCode::kCorrupt, file.name + ": the download has the hash " + found + ", expected " +
                                        expected + "; run the command again"};
}

// An empty folder for this revision, or what an earlier run left of the same.
Status prepare(const fs::path& partial, const std::string& commit) {
  std::error_code error;
  const auto revision = MappedFile::open(partial / kRevisionFile);
  if (!revision || as_text(revision->bytes()) != commit) fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Error{ErrorCode::kIo, partial.string() + ": cannot be created: " + error.message()};
  return write_file_atomically(partial / kRevisionFile, commit);
}

}  // namespace

Result<FetchReport> fetch_hub_model(const std::string& name, const fs::path& models, Progress& progress) {
  if (!is_hub_name(name))
    return Error{ErrorCode::kInvalidArgument, name + ": is not of the form hf:OWNER/NAME"};
  const fs::path folder = hub_folder(models, name);
  std::error_code error;
  if (fs::exists(folder, error)) return FetchReport{folder, true};
  const std::string endpoint = variable_or("HF_ENDPOINT", "https://huggingface.co");
  const std::string repository = name.substr(name.find(':') + 1);
  const HttpOptions http{variable_or("HF_TOKEN", "")};
  const std::string address = endpoint + "/api/models/" + repository + "?blobs=true";
  ASSAY_TRY(const std::string answer, http_get(address, kMaxAnswerBytes, http));
  const auto revision = parse_revision(answer);
  if (!revision) return revision.error().with_context(address);
  const fs::path partial = folder.string() + ".partial";
  ASSAY_RETURN_IF_ERROR(prepare(partial, revision->commit));
  std::uint64_t total = 0, done = 0, furthest = 0;
  for (const auto& file : revision->files) total += file.num_bytes;
  for (const auto& file : revision->files) {
    const std::string url = endpoint + "/" + repository + "/resolve/" + revision->commit + "/" + file.name;
    ASSAY_RETURN_IF_ERROR(
        http_download(url, partial / file.name, file.num_bytes, http, [&](std::uint64_t bytes) {
          furthest =
              std::max(furthest, done + bytes);  // a server that cannot resume sends again what was there
          progress.update("fetching (MB)", static_cast<std::int64_t>(furthest / kMegabyte),
                          static_cast<std::int64_t>(total / kMegabyte + 1));
        }));
    ASSAY_RETURN_IF_ERROR(check_file(partial / file.name, file));
    done += file.num_bytes;
  }
  fs::rename(partial, folder, error);
  if (error)
    return Error{ErrorCode::kIo, folder.string() + ": cannot be renamed into place: " + error.message()};
  return FetchReport{folder, false};
}

}  // namespace assay
