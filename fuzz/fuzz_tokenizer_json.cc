// A tokenizer.json from anywhere, and if it loads a text from anywhere: never a crash, and ids stay in the
// vocabulary.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

// The text comes behind the first NUL byte, where there is one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t split = std::min(input.find('\0'), size);
  const auto tokenizer = assay::Tokenizer::from_tokenizer_json(assay::as_bytes(input.substr(0, split)), {});
  if (!tokenizer) return 0;
  const std::string_view text =
      split < size ? input.substr(split + 1) : "Hello  world's 123\n<s>\xC3\xA9\xE4\xB8\xAD";
  const auto ids = tokenizer->encode(text, true);
  if (!ids) return 0;
  for (const std::int32_t id : *ids) {
    if (id < 0 || id >= tokenizer->vocabulary_size()) std::abort();
    (void)tokenizer->token_bytes(id);
  }
  (void)tokenizer->decode(*ids, true);
  const auto again =
      assay::Tokenizer::from_tokenizer_json(assay::as_bytes(tokenizer->to_tokenizer_json()), {});
  if (!again) std::abort();
  const auto same = again->encode(text, true);
  if (!same || *same != *ids) std::abort();
  return 0;
}
