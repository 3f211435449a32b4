#include "formats/gptq/module_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "formats/tensor_view.h"

namespace assay {
namespace {

constexpr std::size_t kLongestPattern = 4096;
constexpr std::uint32_t kMatchLimit = 100'000;  // steps; names are short, honest patterns take a few hundred
constexpr std::uint32_t kHeapLimitKib = 10'000;

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using MatchContext = std::unique_ptr<pcre2_match_context, FreeWith<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, FreeWith<pcre2_match_data_free>>;

}  // namespace

void ModulePattern::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<ModulePattern> ModulePattern::compile(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) {
    return Error{ErrorCode::kCorrupt, "pattern " + quote(pattern) + " is longer than " +
                                          std::to_string(kLongestPattern) + " bytes"};
  }
  int code = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                       PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &offset, nullptr);
  if (compiled == nullptr) {
    PCRE2_UCHAR reason[128] = {};
    pcre2_get_error_message(code, reason, sizeof reason);
    return Error{ErrorCode::kCorrupt, "pattern " + quote(pattern) + " is invalid at byte " +
                                          std::to_string(offset) + ": " +
                                          reinterpret_cast<const char*>(reason)};
  }
  return ModulePattern(pattern, compiled);
}

Result<bool> ModulePattern::matches(std::string_view name) const {
  const MatchContext context(pcre2_match_context_create(nullptr));
  const MatchData data(pcre2_match_data_create(1, nullptr));
  if (!context || !data)
    return Error{ErrorCode::kResourceLimit, "pattern " + quote(text_) + ": out of memory"};
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_depth_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                                data.get(), context.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  return Error{ErrorCode::kResourceLimit, "pattern " + quote(text_) + " takes too long on " + quote(name)};
}

}  // namespace assay
