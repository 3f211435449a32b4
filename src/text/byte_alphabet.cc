#include "text/byte_alphabet.h"

#include "text/unicode.h"

namespace assay::text {

ByteAlphabet::ByteAlphabet() {
  byte_.fill(-1);
  char32_t next_free = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    character_[byte] = printable ? byte : next_free++;
    byte_[character_[byte]] = static_cast<std::int16_t>(byte);
  }
}

void ByteAlphabet::append_encoded(std::string_view bytes, std::string* out) const {
  for (const char byte : bytes) append_utf8(character_[static_cast<unsigned char>(byte)], out);
}

std::optional<std::string> ByteAlphabet::decode(std::string_view text) const {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t character = next_code_point(text, &at);
    if (character >= byte_.size() || byte_[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte_[character]));
  }
  return bytes;
}

}  // namespace assay::text
