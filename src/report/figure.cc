#include "report/figure.h"

namespace assay::report {
namespace {

std::string csv_cell(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  const std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

std::string to_csv(const std::vector<Json>& rows) {
  if (rows.empty()) return "";
  std::string csv;
  for (const auto& [key, value] : rows.front().items()) csv += (csv.empty() ? "" : ",") + csv_cell(Json(key));
  csv += "\r\n";
  for (const Json& row : rows) {
    bool first = true;
    for (const auto& [key, unused] : rows.front().items()) {
      if (!first) csv += ',';
      first = false;
      if (const auto found = row.find(key); found != row.end()) csv += csv_cell(*found);
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace assay::report
