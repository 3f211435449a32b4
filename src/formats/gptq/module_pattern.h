// Regular expressions over module names, as GPTQModel's `dynamic` uses them.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// PCRE2's own type, so that its header stays out of this one.
struct pcre2_real_code_8;

namespace assay {

// A compiled pattern. Both compiling and matching are bounded, since patterns come from files. Thread safe.
class ModulePattern {
 public:
  // Errors: kCorrupt when the pattern is no valid PCRE or longer than 4,096 bytes.
  static Result<ModulePattern> compile(const std::string& pattern);

  // Whether the name starts with a match (Python's re.match). Errors: kResourceLimit when it backtracks
  // without end.
  Result<bool> matches(std::string_view name) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  ModulePattern(std::string text, pcre2_real_code_8* code) : text_(std::move(text)), code_(code) {}
  std::string text_;
  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace assay
