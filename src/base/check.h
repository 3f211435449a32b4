// Checks for programmer errors. Bad input is never checked with these: it becomes a Result (base/result.h).
#pragma once
#include <cstdio>
#include <cstdlib>

namespace assay {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: internal error: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace assay

// Always on. Use for preconditions that only a programming mistake can break.
#define ASSAY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::assay::check_failed(#condition, __FILE__, __LINE__))
