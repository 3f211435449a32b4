// pattern.h: what Split and Replace search for: a literal text or a regular expression.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_fields.h"
#include "text/regex.h"

namespace assay::text {

class Pattern {
 public:
  // {"String": "..."} or {"Regex": "..."}; an empty String is refused.
  static Result<Pattern> parse(const Json& json, const std::string& where);

  // Spans that cover `text`, as Regex::find_all. REQUIRES: valid UTF-8.
  Status find_all(std::string_view text, std::vector<Span>* spans) const;

  // `text` with every match replaced by `content`.
  Result<std::string> replace(std::string_view text, std::string_view content) const;

 private:
  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace assay::text
