#include "report/style.h"

#include "report/json_fields.h"

namespace assay::report {
namespace {

Error missing(const std::string& field, const char* expected) {
  return Error{ErrorCode::kInvalidArgument, "style.json: '" + field + "' is missing or not " + expected};
}

Result<std::string> text_of(const Json& json, const char* key) {
  std::string text = text_at(json, key);
  if (text.empty()) return missing(key, "a text");
  return text;
}

Result<double> positive(const Json& json, const char* key, const std::string& where) {
  const auto value = number_at(json, key);
  if (!value || *value <= 0) return missing(where + key, "a number above 0");
  return *value;
}

Result<Profile> profile_of(const Json& json, const std::string& name) {
  const std::string where = "profiles." + name + ".";
  const Json& part = part_at(part_at(json, "profiles"), name.c_str());
  Profile profile;
  ASSAY_TRY(profile.width, positive(part, "width", where));
  ASSAY_TRY(profile.row, positive(part, "row", where));
  ASSAY_TRY(profile.rows, positive(part, "rows", where));
  ASSAY_TRY(profile.plot, positive(part, "plot", where));
  ASSAY_TRY(profile.font, positive(part, "font", where));
  ASSAY_TRY(profile.point, positive(part, "point", where));
  return profile;
}

Result<Mark> mark_of(const Json& json, const std::string& where) {
  Mark mark{text_at(json, "color"), text_at(json, "shape"), part_at(json, "dash")};
  if (mark.color.empty() || mark.shape.empty()) return missing(where, "an object with color and shape");
  if (!mark.dash.is_array()) return missing(where + ".dash", "a list of lengths");
  return mark;
}

}  // namespace

const Mark& Style::mark(const std::string& variant) const {
  const auto found = variants.find(variant);
  return found == variants.end() ? other : found->second;
}

Result<Style> Style::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{ErrorCode::kInvalidArgument, "style.json: not a JSON object"};
  Style style;
  ASSAY_TRY(style.font, text_of(json, "font"));
  ASSAY_TRY(style.ink, text_of(json, "ink"));
  ASSAY_TRY(style.faint, text_of(json, "faint"));
  ASSAY_TRY(style.accent, text_of(json, "accent"));
  ASSAY_TRY(style.heat, text_of(json, "heat"));
  ASSAY_TRY(style.tolerance, positive(json, "tolerance", ""));
  ASSAY_TRY(style.report, profile_of(json, "report"));
  ASSAY_TRY(style.slide, profile_of(json, "slide"));
  for (const auto& [name, mark] : part_at(json, "variants").items()) {
    ASSAY_TRY(style.variants[name], mark_of(mark, "variants." + name));
  }
  ASSAY_TRY(style.other, mark_of(part_at(json, "other"), "other"));
  return style;
}

}  // namespace assay::report
