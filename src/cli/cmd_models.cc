// assay models, assay fetch: what can be used by name.
#include <fmt/format.h>

#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/fetch/catalog.h"
#include "flow/fetch/hub_cache.h"
#include "flow/model_registry.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

// "s3.amazonaws.com" of an address; anything else as it is. The whole address stands in the JSON.
std::string short_source(const std::string& source) {
  constexpr std::string_view kScheme = "https://";
  if (!source.starts_with(kScheme)) return source;
  return source.substr(kScheme.size(), source.find('/', kScheme.size()) - kScheme.size());
}

Status list_models(Session& session) {
  ASSAY_TRY(const auto models, models_folder());
  ASSAY_TRY(const auto cache, hub_cache_folder());
  ASSAY_TRY(const auto items, catalog());
  using Align = TextTable::Align;
  TextTable table(
      {{"name"}, {"kind"}, {"what"}, {"download", Align::kRight}, {"licence"}, {"from"}, {"present"}});
  ordered_json list = ordered_json::array();
  for (const auto& item : items) {
    const bool known = item.download_bytes > 0 || item.made_here;
    table.add_row({item.name, std::string(catalog_kind_name(item.kind)), item.description,
                   known ? megabytes(item.download_bytes) : "?", item.licence, short_source(item.source),
                   item.present ? "yes" : "no"});
    list.push_back({{"name", item.name},
                    {"kind", catalog_kind_name(item.kind)},
                    {"description", item.description},
                    {"download_bytes", known ? ordered_json(item.download_bytes) : ordered_json(nullptr)},
                    {"licence", item.licence},
                    {"source", item.source},
                    {"path", item.path.string()},
                    {"present", item.present}});
  }
  session.print(
      table.render() +
      fmt::format("\nAlso hf:OWNER/NAME: any repository of the Hugging Face hub with .safetensors.\n"
                  "Folders: {}, of the hub {}\n",
                  printable(models.string()), printable(cache.string())));
  return session.write_json({{"folder", models.string()}, {"hub_folder", cache.string()}, {"items", list}});
}

Status fetch(const std::string& wanted, Session& session) {
  ASSAY_TRY(const FetchReport report, fetch_by_name(wanted, builtin_files(), {}, session.progress()));
  ASSAY_TRY(const CatalogItem item, catalog_item(wanted));
  const char* what = report.was_present ? "was there already:"
                     : item.made_here   ? "made:"
                                        : "fetched and checked:";
  session.print(fmt::format("{}: {} {}\n", wanted, what, printable(report.path.string())));
  return session.write_json(
      {{"name", wanted}, {"path", report.path.string()}, {"was_present", report.was_present}});
}

}  // namespace

void add_models(CommandLine& line) {
  CLI::App& command =
      line.add("models", "List the models and data that can be used by name.", "assay models");
  line.on_run(command, list_models);
}

void add_fetch(CommandLine& line) {
  auto wanted = std::make_shared<std::string>();
  CLI::App& command =
      line.add("fetch", "Bring a model or data by name, checked.", "assay fetch smollm2-135m");
  command.add_option("NAME", *wanted, "a name from 'assay models', or hf:OWNER/NAME on the Hugging Face hub")
      ->required()
      ->type_name("");
  line.on_run(command, [wanted](Session& session) { return fetch(*wanted, session); });
}

}  // namespace assay::cli
