#include "cli/study_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/builtin_data.h"
#include "cli/text.h"
#include "flow/study/study_names.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

std::string lines_of(const std::vector<CatalogItem>& items) {
  std::string lines;
  for (const auto& item : items) lines += (lines.empty() ? "" : "\n") + not_there_yet(item).message;
  return lines;
}

ordered_json tell(const std::vector<CatalogItem>& items, Session& session) {
  std::uint64_t bytes = 0;
  bool all_known = true;
  ordered_json list = ordered_json::array();
  for (const auto& item : items) {
    const bool known = item.download_bytes > 0 || item.made_here;
    bytes += item.download_bytes;
    all_known = all_known && known;
    list.push_back({{"name", item.name},
                    {"download_bytes", known ? ordered_json(item.download_bytes) : ordered_json(nullptr)},
                    {"path", item.path.string()}});
  }
  session.print(lines_of(items) + fmt::format("\nto fetch: {} {}; 'assay run --fetch' brings all of it\n",
                                              all_known ? "about" : "more than", megabytes(bytes)));
  return list;
}

Status fetch(const std::vector<CatalogItem>& items, Session& session) {
  for (const auto& item : items) {
    session.note(fmt::format("{} {}\n", item.made_here ? "making" : "fetching", item.name));
    ASSAY_TRY(const FetchReport report, fetch_by_name(item.name, builtin_files(), {}, session.progress()));
    session.note(fmt::format("{}: {}\n", item.made_here ? "made" : "fetched and checked",
                             printable(report.path.string())));
  }
  return {};
}

}  // namespace

Result<ordered_json> provide_inputs(const StudySpec& spec, MissingInputs missing, Session& session) {
  ASSAY_TRY(auto items, missing_names(spec));
  if (missing != MissingInputs::kTell) {
    // What needs no network is no question.
    std::vector<CatalogItem> made;
    std::copy_if(items.begin(), items.end(), std::back_inserter(made),
                 [](const auto& item) { return item.made_here; });
    ASSAY_RETURN_IF_ERROR(fetch(made, session));
    std::erase_if(items, [](const auto& item) { return item.made_here; });
  }
  if (items.empty()) return ordered_json::array();
  switch (missing) {
    case MissingInputs::kFail:
      return Error{ErrorCode::kNotFound, lines_of(items)};
    case MissingInputs::kTell:
      return tell(items, session);
    case MissingInputs::kFetch:
      ASSAY_RETURN_IF_ERROR(fetch(items, session));
      break;
  }
  return ordered_json::array();
}

}  // namespace assay::cli
