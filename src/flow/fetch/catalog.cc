#include "flow/fetch/catalog.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/atomic_file.h"
#include "flow/data_registry.h"
#include "flow/fetch/hub.h"
#include "flow/fetch/package.h"
#include "flow/fetch/web.h"
#include "flow/model_registry.h"
#include "flow/picture_registry.h"
#include "flow/scene_registry.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

CatalogKind kind_of(ModelKind kind) {
  return kind == ModelKind::kDetector ? CatalogKind::kDetector : CatalogKind::kLanguageModel;
}

std::string source_of(const RegisteredModel& model) {
  if (model.parts.empty()) return std::string(model.url);
  const PackageMember& first = model.parts.front();
  std::string text = "PyPI " + std::string(first.package) + " " + std::string(first.version);
  if (model.parts.size() > 1) text += " and " + std::to_string(model.parts.size() - 1) + " more parts";
  return text;
}

std::string source_of(const RegisteredPictures& set) {
  std::set<std::string_view> packages;
  for (const auto& picture : set.pictures) packages.insert(picture.from.package);
  return "PyPI, " + std::to_string(packages.size()) + " packages";
}

HubRepository repository_of(const RegisteredHubFile& file) { return {std::string(file.repository), true}; }

CatalogItem hub_item(const std::string& name, const fs::path& cache) {
  CatalogItem item;
  item.name = name;
  if (const RegisteredHubModel* known = find_registered_hub_model(name)) {
    item.kind = kind_of(known->kind);
    item.description = known->description;
    item.licence = known->licence;
    item.download_bytes = known->weight_bytes;
  }
  const auto snapshot = hub_model_snapshot(cache, name);
  item.source = "huggingface.co/" + hub_model(name).name;
  item.path = snapshot.value_or(hub_folder(cache, hub_model(name)));
  item.present = snapshot.has_value();
  return item;
}

CatalogItem hub_file_item(const RegisteredHubFile& file, const fs::path& cache) {
  const HubRepository repository = repository_of(file);
  const auto snapshot = hub_snapshot(cache, repository);
  const bool present = snapshot && is_there(*snapshot / file.file);
  return {std::string(file.name),
          CatalogKind::kPassages,
          std::string(file.description),
          std::string(file.licence),
          "huggingface.co/datasets/" + repository.name,
          file.num_bytes,
          present ? *snapshot / file.file : hub_folder(cache, repository),
          present};
}

CatalogItem archive_item(const RegisteredArchive& archive, const fs::path& models) {
  const fs::path path = models / archive.target;
  const bool pictures = archive.member.ends_with('/');
  return {std::string(archive.name),
          pictures ? CatalogKind::kPictures : CatalogKind::kAnnotations,
          std::string(archive.description),
          std::string(archive.licence),
          std::string(archive.url),
          archive.num_bytes,
          path,
          is_there(path)};
}

CatalogItem web_pictures_item(const RegisteredWebPictures& set, const fs::path& models) {
  const fs::path path = models / set.target;
  const bool present = std::all_of(set.numbers.begin(), set.numbers.end(), [&](std::int32_t number) {
    return is_there(path / picture_file(number));
  });
  return {std::string(set.name),
          CatalogKind::kPictures,
          std::string(set.description),
          std::string(set.licence),
          std::string(set.url),
          set.num_bytes,
          path,
          present};
}

CatalogItem package_pictures_item(const RegisteredPictures& set, const fs::path& models) {
  const fs::path path = models / set.folder;
  const bool present = is_there(path / "annotations.json") &&
                       std::all_of(set.pictures.begin(), set.pictures.end(),
                                   [&](const auto& picture) { return is_there(path / picture.file); });
  return {std::string(set.name),
          CatalogKind::kPictures,
          std::string(set.description),
          std::string(set.licence),
          source_of(set),
          set.download_bytes,
          path,
          present};
}

CatalogItem scenes_item(const RegisteredScenes& set, const fs::path& models) {
  const SceneFiles files = scene_files(set, models);
  CatalogItem item{std::string(set.name), CatalogKind::kPictures, std::string(set.description), "Apache-2.0",
                   "drawn by assay", 0, files.root, scenes_are_there(files)};
  item.made_here = true;
  return item;
}

CatalogItem carried_item(const CarriedModel& model, const fs::path& models) {
  const fs::path path = models / model.folder;
  CatalogItem item{std::string(model.name), kind_of(model.kind), std::string(model.description),
                   std::string(model.licence), "carried by assay", 0, path, is_carried_model_there(path)};
  item.made_here = true;
  return item;
}

Result<FetchReport> write_carried_model(const CarriedModel& model, const BuiltinFiles& builtin,
                                        const fs::path& models) {
  const fs::path folder = models / model.folder;
  if (is_carried_model_there(folder)) return FetchReport{folder, true};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder.string() + ": cannot be created: " + error.message()};
  ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / "config.json", as_text(builtin.mini_detr_config)));
  ASSAY_RETURN_IF_ERROR(
      write_file_atomically(folder / "preprocessor_config.json", as_text(builtin.mini_detr_processor)));
  ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / "model.safetensors", as_text(builtin.mini_detr_weights)));
  return FetchReport{folder, false};
}

CatalogItem model_item(const RegisteredModel& model, const fs::path& models) {
  const fs::path path = models / model.file;
  return {std::string(model.name),
          kind_of(model.kind),
          std::string(model.description),
          std::string(model.licence),
          source_of(model),
          model.download_bytes,
          path,
          is_there(path)};
}

template <typename Registered>
const Registered* find(std::span<const Registered> all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Error no_such_name(const std::string& name) {
  return {ErrorCode::kNotFound,
          name +
              ": no such name; 'assay models' lists them, and hf:OWNER/NAME is a repository of the Hugging "
              "Face hub"};
}

}  // namespace

std::string_view catalog_kind_name(CatalogKind kind) {
  switch (kind) {
    case CatalogKind::kDetector:
      return "detector";
    case CatalogKind::kLanguageModel:
      return "language model";
    case CatalogKind::kPictures:
      return "pictures";
    case CatalogKind::kAnnotations:
      return "annotations";
    case CatalogKind::kPassages:
      return "passages";
  }
  return "";
}

Result<std::vector<CatalogItem>> catalog() {
  ASSAY_TRY(const fs::path models, models_folder());
  ASSAY_TRY(const fs::path cache, hub_cache_folder());
  std::vector<CatalogItem> items;
  for (const auto& model : carried_models()) items.push_back(carried_item(model, models));
  for (const auto& model : registered_models()) items.push_back(model_item(model, models));
  for (const auto& model : registered_hub_models()) items.push_back(hub_item(std::string(model.name), cache));
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.kind > b.kind; });
  for (const auto& set : registered_pictures()) items.push_back(package_pictures_item(set, models));
  for (const auto& set : registered_scenes()) items.push_back(scenes_item(set, models));
  for (const auto& archive : registered_archives()) items.push_back(archive_item(archive, models));
  for (const auto& set : registered_web_pictures()) items.push_back(web_pictures_item(set, models));
  for (const auto& file : registered_hub_files()) items.push_back(hub_file_item(file, cache));
  return items;
}

Result<CatalogItem> catalog_item(const std::string& name) {
  ASSAY_TRY(auto items, catalog());
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.name == name; });
  if (found != items.end()) return std::move(*found);
  if (!is_hub_name(name)) return no_such_name(name);
  ASSAY_TRY(const fs::path cache, hub_cache_folder());
  return hub_item(name, cache);
}

Result<FetchReport> fetch_by_name(const std::string& name, const BuiltinFiles& builtin, const HttpOptions& http,
                                  Progress& progress) {
  ASSAY_TRY(const fs::path models, models_folder());
  ASSAY_TRY(const fs::path cache, hub_cache_folder());
  if (is_hub_name(name)) return fetch_hub_model(name, cache, http, progress);
  if (const auto* model = find(carried_models(), name)) return write_carried_model(*model, builtin, models);
  if (const auto* set = find_registered_pictures(name))
    return fetch_package_pictures(*set, builtin.faces, models, progress);
  if (const auto* set = find(registered_scenes(), name)) return draw_registered_scenes(*set, models, progress);
  if (const auto* archive = find(registered_archives(), name))
    return fetch_web_archive(*archive, models, http, progress);
  if (const auto* set = find(registered_web_pictures(), name))
    return fetch_web_pictures(*set, models, http, progress);
  if (const auto* file = find(registered_hub_files(), name))
    return fetch_hub_file(repository_of(*file), std::string(file->file), file->sha256, cache, http, progress);
  if (const auto* model = find_registered_model(name)) {
    if (model->parts.empty()) return fetch_web_model(*model, models, http, progress);
    return fetch_package_model(*model, models, progress);
  }
  return no_such_name(name);
}

Result<PictureSet> picture_set(const std::string& name) {
  ASSAY_TRY(const fs::path models, models_folder());
  if (const auto* set = find_registered_pictures(name)) {
    const fs::path folder = models / set->folder;
    return PictureSet{{name}, folder / "evaluation", folder / "annotations.json", folder / "calibration"};
  }
  if (const auto* set = find(registered_scenes(), name)) {
    const SceneFiles files = scene_files(*set, models);
    return PictureSet{{name}, files.images, files.annotations, files.calibration};
  }
  if (const auto* set = find(registered_web_pictures(), name))
    return PictureSet{{name}, {}, {}, models / set->target};
  if (name == "coco-val2017")
    return PictureSet{
        {name, "coco-annotations"}, models / "coco/val2017", models / "coco/instances_val2017.json", {}};
  return Error{ErrorCode::kNotFound, name + ": is no set of pictures that `assay models` lists"};
}

Result<fs::path> passages(const std::string& name) {
  if (find(registered_hub_files(), name) == nullptr)
    return Error{ErrorCode::kNotFound, name + ": is no set of passages that `assay models` lists"};
  ASSAY_TRY(const CatalogItem item, catalog_item(name));
  if (!item.present) return not_there_yet(item);
  return item.path;
}

Error not_there_yet(const CatalogItem& item) {
  std::string size = item.made_here ? "made here, nothing to download" : "size not known";
  if (item.download_bytes > 0) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(item.download_bytes) / 1e6);
    size = text;
  }
  return {ErrorCode::kNotFound, item.name + ": is not there yet; run 'assay fetch " + item.name +
                                    "' first (" + size + ", into " + item.path.string() + ")"};
}

}  // namespace assay
