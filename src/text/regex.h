// regex.h: patterns of tokenizer.json, written for Oniguruma (Ruby syntax), run by PCRE2.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assay::text {

// A stretch of text that a pattern matched, or the stretch between two matches.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool matched = false;
};

// The same pattern in PCRE2 syntax, for UTF+UCP+MULTILINE mode. What PCRE2 would read differently (\s, \d,
// \w, \h, scripts, {,n}, ...) is rewritten, or refused with kUnsupported; multi-character case folding is not
// reproduced.
Result<std::string> translate_oniguruma(std::string_view pattern);

// A compiled pattern. Immutable, thread safe, cheap to copy.
class Regex {
 public:
  // Errors: kUnsupported with the pattern and the reason.
  static Result<Regex> compile(std::string_view oniguruma_pattern);
  static Result<Regex> compile_pcre2(std::string_view pcre2_pattern);  // as it is, without translation

  // Appends spans that cover `text` in order, matches and gaps, as Oniguruma's find_iter gives them.
  // REQUIRES: valid UTF-8. Errors: kResourceLimit where the pattern backtracks beyond PCRE2's limits.
  Status find_all(std::string_view text, std::vector<Span>* spans) const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace assay::text
