// unicode.h: the few Unicode operations that tokenizers need, with the semantics of the Rust standard
// library. All functions are pure and thread safe. Property data come from utf8proc; there are no tables
// here.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace assay::text {

// The byte offset of the first ill-formed sequence (RFC 3629: no surrogates, no overlong forms), if there is
// one.
std::optional<std::size_t> find_invalid_utf8(std::string_view bytes);

// Every maximal ill-formed subsequence replaced by U+FFFD (Unicode 15, section 3.9, table 3-8).
std::string replace_invalid_utf8(std::string_view bytes);

// The code point that starts at byte *position, which moves behind it. REQUIRES: valid UTF-8, *position <
// size.
char32_t next_code_point(std::string_view utf8, std::size_t* position);

void append_utf8(char32_t code_point, std::string* utf8);

bool is_white_space(char32_t code_point);  // property White_Space
bool is_numeric(char32_t code_point);      // general categories Nd, Nl, No

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// REQUIRES: valid UTF-8. Errors: kResourceLimit where memory runs out.
Result<std::string> to_normal_form(std::string_view utf8, NormalForm form);

// Each code point by itself, full mapping, no context (a final sigma stays a medial one). REQUIRES: valid
// UTF-8.
std::string to_lowercase(std::string_view utf8);

}  // namespace assay::text
