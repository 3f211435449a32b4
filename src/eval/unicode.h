// The two questions about UTF-8 that reading and splitting passages asks.
#pragma once
#include <cstddef>
#include <string_view>

namespace assay::eval {

// The offset of the first byte that is not part of a well-formed sequence (RFC 3629: no overlong forms,
// surrogates or code points above U+10FFFF), or text.size().
std::size_t first_invalid_utf8(std::string_view text);

// The bytes of white space at the end, as Python's str.rstrip() removes it (str.isspace of every code point).
// REQUIRES: valid UTF-8.
std::size_t trailing_space_bytes(std::string_view text);

}  // namespace assay::eval
