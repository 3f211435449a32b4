// byte_alphabet.h: the printable stand-ins for bytes that byte-level BPE vocabularies are written in.
// Source: bytes_to_unicode() of GPT-2's encoder.py.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay::text {

// Bytes that are printable in Latin-1 stand for themselves, the 68 others for U+0100, U+0101, ... in order.
class ByteAlphabet {
 public:
  ByteAlphabet();

  // Appends the stand-ins of `bytes`, as UTF-8.
  void append_encoded(std::string_view bytes, std::string* out) const;

  // The bytes that `text` stands for, or nothing where a character is no stand-in. REQUIRES: valid UTF-8.
  std::optional<std::string> decode(std::string_view text) const;

 private:
  std::array<char32_t, 256> character_{};
  std::array<std::int16_t, 324> byte_{};  // by character; -1: no stand-in
};

}  // namespace assay::text
