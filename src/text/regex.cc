#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include "text/unicode.h"

namespace assay::text {
namespace {

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct ContextFree {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct MatchFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct Regex::Compiled {
  std::string source;
  std::unique_ptr<pcre2_code, CodeFree> code;

  // A match at or after `from`. Just-in-time code has a fixed stack; the interpreter takes over where that
  // overflows.
  int match(std::string_view text, std::size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int found = pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (found != PCRE2_ERROR_JIT_STACKLIMIT) return found;
    return pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                       nullptr);
  }
};

Result<Regex> Regex::compile(std::string_view oniguruma_pattern) {
  ASSAY_TRY(const std::string pattern, translate_oniguruma(oniguruma_pattern));
  return compile_pcre2(pattern);
}

Result<Regex> Regex::compile_pcre2(std::string_view pattern) {
  const std::unique_ptr<pcre2_compile_context, ContextFree> context(pcre2_compile_context_create(nullptr));
  if (context == nullptr) return Error{ErrorCode::kResourceLimit, "regex: out of memory"};
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  PCRE2_SIZE offset = 0;
  auto compiled = std::make_shared<Compiled>();
  compiled->source = std::string(pattern);
  // In Oniguruma's Ruby syntax ^ and $ are always about lines, and a dot is any character but a newline.
  compiled->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                                     &offset, context.get()));
  if (compiled->code == nullptr) {
    return Error{ErrorCode::kUnsupported, "regex '" + compiled->source + "': " + message_of(code)};
  }
  pcre2_jit_compile(compiled->code.get(), PCRE2_JIT_COMPLETE);  // only speed; without it the interpreter runs
  return Regex(std::move(compiled));
}

Status Regex::find_all(std::string_view text, std::vector<Span>* spans) const {
  const std::unique_ptr<pcre2_match_data, MatchFree> data(
      pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  if (data == nullptr) return Error{ErrorCode::kResourceLimit, "regex: out of memory"};
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  std::size_t covered = 0;  // text before this is in `spans`
  std::size_t from = 0;
  bool after_match = false;
  while (from <= text.size()) {
    const int found = compiled_->match(text, from, data.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      return Error{ErrorCode::kResourceLimit, "regex '" + compiled_->source + "': " + message_of(found)};
    }
    const std::size_t begin = bounds[0], end = bounds[1];
    // An empty match right behind the last match does not count; the search goes on one character later.
    if (begin == end && after_match && begin == covered) {
      if (from >= text.size()) break;
      next_code_point(text, &from);
      continue;
    }
    if (covered != begin) spans->push_back({covered, begin, false});
    spans->push_back({begin, end, true});
    covered = end;
    from = end;
    after_match = true;
  }
  if (covered != text.size()) spans->push_back({covered, text.size(), false});
  return {};
}

}  // namespace assay::text
