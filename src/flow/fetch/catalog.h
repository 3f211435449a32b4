// Everything that can be used by name, wherever it comes from.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/progress.h"
#include "base/result.h"
#include "flow/builtin_files.h"
#include "flow/fetch/fetch_report.h"
#include "flow/fetch/http.h"

namespace assay {

enum class CatalogKind { kDetector, kLanguageModel, kPictures, kAnnotations, kPassages };

// "detector", "language model", ...
std::string_view catalog_kind_name(CatalogKind kind);

struct CatalogItem {
  std::string name;
  CatalogKind kind = CatalogKind::kLanguageModel;
  std::string description, licence;  // empty where not known
  std::string source;                // a package, an address, a repository of the hub
  std::uint64_t download_bytes = 0;  // 0: not known before it is fetched
  std::filesystem::path path;        // where it is or will be
  bool present = false;
  bool made_here = false;  // by this program: nothing is downloaded
};

// In the order in which people read them. Errors: those of models_folder and hub_cache_folder.
Result<std::vector<CatalogItem>> catalog();

// Also of any hf:OWNER/NAME. Errors besides: kNotFound (no such name).
Result<CatalogItem> catalog_item(const std::string& name);

// Brings it, unless it is there. What the program carries is written from `builtin`. Errors:
// kNotFound (no such name), those of the source.
Result<FetchReport> fetch_by_name(const std::string& name, const BuiltinFiles& builtin, const HttpOptions& http,
                                  Progress& progress);

// What a study can name as pictures. Empty paths: not meant for that.
struct PictureSet {
  std::vector<std::string> items;  // of the catalog, all needed
  std::filesystem::path images, annotations;
  std::filesystem::path calibration;
};

// Errors: kNotFound (no such set).
Result<PictureSet> picture_set(const std::string& name);

// A data set of passages: its file. Errors: kNotFound (no such set, or not fetched yet, saying how).
Result<std::filesystem::path> passages(const std::string& name);

// kNotFound with one line: how to fetch the item, how large it is and where it goes.
Error not_there_yet(const CatalogItem& item);

}  // namespace assay
