#include "text/pattern.h"

namespace assay::text {

Result<Pattern> Pattern::parse(const Json& json, const std::string& where) {
  Pattern pattern;
  if (find_field(json, "Regex") != nullptr) {
    ASSAY_TRY(const std::string source, string_field(json, "Regex", where));
    auto regex = Regex::compile(source);
    if (!regex) return regex.error().with_context(where);
    pattern.regex_ = *std::move(regex);
    return pattern;
  }
  ASSAY_TRY(pattern.literal_, string_field(json, "String", where));
  if (pattern.literal_.empty()) return Error{ErrorCode::kUnsupported, where + ".String: is empty"};
  return pattern;
}

Status Pattern::find_all(std::string_view text, std::vector<Span>* spans) const {
  if (regex_.has_value()) return regex_->find_all(text, spans);
  std::size_t covered = 0;
  for (std::size_t at = text.find(literal_); at != std::string_view::npos;
       at = text.find(literal_, covered)) {
    if (covered != at) spans->push_back({covered, at, false});
    covered = at + literal_.size();
    spans->push_back({at, covered, true});
  }
  if (covered != text.size()) spans->push_back({covered, text.size(), false});
  return {};
}

Result<std::string> Pattern::replace(std::string_view text, std::string_view content) const {
  std::vector<Span> spans;
  ASSAY_RETURN_IF_ERROR(find_all(text, &spans));
  std::string replaced;
  replaced.reserve(text.size() + spans.size() / 2 * content.size());
  for (const Span& span : spans) {
    replaced += span.matched ? content : text.substr(span.begin, span.end - span.begin);
  }
  return replaced;
}

}  // namespace assay::text
