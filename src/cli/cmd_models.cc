// assay models, assay fetch: what can be used by name.
#include <fmt/format.h>

#include <set>

#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/fetch_hub.h"
#include "flow/fetch_package.h"
#include "flow/model_registry.h"
#include "flow/picture_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

std::string source_of(const RegisteredModel& model) {
  const PackageMember& first = model.parts.front();
  std::string text = fmt::format("PyPI {} {}", first.package, first.version);
  if (model.parts.size() > 1) text += fmt::format(" and {} more parts", model.parts.size() - 1);
  return text;
}

std::size_t package_count(const RegisteredPictures& set) {
  std::set<std::string_view> packages;
  for (const auto& picture : set.pictures) packages.insert(picture.from.package);
  return packages.size();
}

Status list_models(Session& session) {
  ASSAY_TRY(const auto folder, models_folder());
  TextTable table({{"name"}, {"what"}, {"from"}, {"licence"}, {"present"}});
  ordered_json list = ordered_json::array();
  for (const auto& model : registered_models()) {
    const auto path = folder / model.file;
    std::error_code error;
    const bool present = std::filesystem::exists(path, error);
    table.add_row({std::string(model.name), std::string(model.description), source_of(model),
                   std::string(model.licence), present ? "yes" : "no"});
    ordered_json parts = ordered_json::array();
    for (const auto& part : model.parts)
      parts.push_back({{"package", part.package}, {"version", part.version}, {"member", part.member}});
    list.push_back({{"name", model.name},
                    {"description", model.description},
                    {"licence", model.licence},
                    {"parts", parts},
                    {"sha256", model.sha256},
                    {"path", path.string()},
                    {"present", present}});
  }
  ordered_json pictures = ordered_json::array();
  for (const auto& set : registered_pictures()) {
    const auto path = folder / set.folder;
    std::error_code error;
    const bool present = std::filesystem::exists(path / set.pictures.back().file, error);
    table.add_row({std::string(set.name), std::string(set.description),
                   fmt::format("PyPI, {} packages", package_count(set)), std::string(set.licence),
                   present ? "yes" : "no"});
    pictures.push_back({{"name", set.name},
                        {"description", set.description},
                        {"pictures", set.pictures.size()},
                        {"path", path.string()},
                        {"present", present}});
  }
  session.print(
      table.render() +
      fmt::format(
          "\nAlso hf:OWNER/NAME: a repository of the Hugging Face hub with .safetensors.\nFolder: {}\n",
          printable(folder.string())));
  return session.write_json({{"folder", folder.string()}, {"models", list}, {"pictures", pictures}});
}

Result<FetchReport> fetch_named(const std::string& wanted, Progress& progress) {
  ASSAY_TRY(const auto folder, models_folder());
  if (is_hub_name(wanted)) return fetch_hub_model(wanted, folder, progress);
  if (const RegisteredPictures* set = find_registered_pictures(wanted))
    return fetch_package_pictures(*set, as_bytes(builtin_faces()), folder, progress);
  const RegisteredModel* model = find_registered_model(wanted);
  if (model == nullptr)
    return Error{ErrorCode::kNotFound, wanted +
                                           ": no such name; 'assay models' lists them, and hf:OWNER/NAME is "
                                           "a repository of the Hugging Face hub"};
  return fetch_package_model(*model, folder, progress);
}

Status fetch(const std::string& wanted, Session& session) {
  ASSAY_TRY(const FetchReport report, fetch_named(wanted, session.progress()));
  session.print(fmt::format(
      "{}: {} {}\n", wanted,
      report.was_present ? "was there already:" : "fetched and checked:", printable(report.path.string())));
  return session.write_json(
      {{"name", wanted}, {"path", report.path.string()}, {"was_present", report.was_present}});
}

}  // namespace

void add_models(CommandLine& line) {
  CLI::App& command =
      line.add("models", "List the models and pictures that can be used by name.", "assay models");
  line.on_run(command, list_models);
}

void add_fetch(CommandLine& line) {
  auto wanted = std::make_shared<std::string>();
  CLI::App& command =
      line.add("fetch", "Bring a model or pictures, checked by their hashes.", "assay fetch smollm2-135m");
  command.add_option("NAME", *wanted, "a name from 'assay models', or hf:OWNER/NAME on the Hugging Face hub")
      ->required()
      ->type_name("");
  line.on_run(command, [wanted](Session& session) { return fetch(*wanted, session); });
}

}  // namespace assay::cli
