#include "text/normalizer.h"

namespace assay::text {
namespace {

constexpr int kMaxDepth = 16;  // of Sequences in Sequences; real files have one

std::string strip(const std::string& text, bool left, bool right) {
  std::size_t begin = 0, end = 0;  // of what stays
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (is_white_space(next_code_point(text, &at))) continue;
    if (!any) begin = start;
    any = true;
    end = at;
  }
  if (!any) return left || right ? std::string() : text;
  if (!left) begin = 0;
  if (!right) end = text.size();
  return text.substr(begin, end - begin);
}

}  // namespace

Result<Normalizer> Normalizer::parse(const Json& json) {
  Normalizer normalizer;
  if (!json.is_null()) ASSAY_RETURN_IF_ERROR(normalizer.add_steps(json, 0));
  return normalizer;
}

Status Normalizer::add_steps(const Json& json, int depth) {
  ASSAY_TRY(const std::string type, type_field(json, "normalizer"));
  if (type == "Sequence") {
    const Json* members = find_field(json, "normalizers");
    if (members == nullptr || !members->is_array() || depth >= kMaxDepth) {
      return Error{ErrorCode::kCorrupt,
                   "normalizer.normalizers: expected an array, nested less than 16 deep"};
    }
    for (const Json& member : *members) ASSAY_RETURN_IF_ERROR(add_steps(member, depth + 1));
    return {};
  }
  ASSAY_TRY(Step step, parse_step(type, json));
  steps_.push_back(std::move(step));
  return {};
}

Result<Normalizer::Step> Normalizer::parse_step(const std::string& type, const Json& json) {
  const std::string where = "normalizer " + type;
  if (type == "NFC") return Step{NormalForm::kNfc};
  if (type == "NFD") return Step{NormalForm::kNfd};
  if (type == "NFKC") return Step{NormalForm::kNfkc};
  if (type == "NFKD") return Step{NormalForm::kNfkd};
  if (type == "Lowercase") return Step{Lowercase{}};
  if (type == "Prepend") {
    ASSAY_TRY(std::string content, string_field(json, "prepend", where));
    return Step{Prepend{std::move(content)}};
  }
  if (type == "Replace") {
    ASSAY_TRY(Pattern pattern, Pattern::parse(json.value("pattern", Json()), where + ".pattern"));
    ASSAY_TRY(std::string content, string_field(json, "content", where));
    return Step{Replace{std::move(pattern), std::move(content)}};
  }
  if (type == "Strip") {
    ASSAY_TRY(const bool left, bool_field(json, "strip_left", std::nullopt, where));
    ASSAY_TRY(const bool right, bool_field(json, "strip_right", std::nullopt, where));
    return Step{Strip{left, right}};
  }
  return Error{ErrorCode::kUnsupported,
               "normalizer '" + type +
                   "' is not supported (known: Sequence, NFC, NFD, NFKC, NFKD, Prepend, "
                   "Replace, Lowercase, Strip)"};
}

Result<std::string> Normalizer::apply_step(const Step& step, std::string text, bool* keeps_start) {
  if (const auto* form = std::get_if<NormalForm>(&step)) return to_normal_form(text, *form);
  if (const auto* prepend = std::get_if<Prepend>(&step)) return text.empty() ? text : prepend->content + text;
  if (const auto* replace = std::get_if<Replace>(&step))
    return replace->pattern.replace(text, replace->content);
  if (const auto* stripping = std::get_if<Strip>(&step)) {
    std::string stripped = strip(text, stripping->left, stripping->right);
    if (stripping->left && strip(text, false, stripping->right) != stripped) *keeps_start = false;
    return stripped;
  }
  return to_lowercase(text);
}

Result<std::string> Normalizer::apply(std::string_view text, bool* keeps_start) const {
  std::string normalized(text);
  for (const Step& step : steps_) {
    ASSAY_TRY(normalized, apply_step(step, std::move(normalized), keeps_start));
  }
  return normalized;
}

}  // namespace assay::text
