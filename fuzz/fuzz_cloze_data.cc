// Any bytes are either passages that can be put together again, or an error.
#include <cstdint>

#include "base/check.h"
#include "eval/cloze_data.h"
#include "eval/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay::eval;
  const assay::ByteView file(reinterpret_cast<const std::byte*>(data), size);
  for (const ClozeFormat format : {ClozeFormat::kAuto, ClozeFormat::kJsonLines, ClozeFormat::kPlainText}) {
    const auto examples = parse_cloze_examples(file, format);
    if (!examples) continue;
    ASSAY_CHECK(!examples->empty());
    for (const ClozeExample& example : *examples) {
      ASSAY_CHECK(example.target.size() >= 2 && example.target.front() == ' ');
      ASSAY_CHECK(first_invalid_utf8(example.context) == example.context.size());
      ASSAY_CHECK(trailing_space_bytes(example.context) <= example.context.size());
    }
  }
  return 0;
}
