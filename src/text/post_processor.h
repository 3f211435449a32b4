// post_processor.h: the "post_processor" of a tokenizer.json: special tokens around the ids of a text.
#pragma once
#include <cstdint>
#include <vector>

#include "text/json_fields.h"

namespace assay::text {

// Of the templates only the one for a single text matters here, and it is always: some ids, the text, some
// ids.
struct PostProcessor {
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;

  // `json` may be null: nothing is added. Knows Sequence, TemplateProcessing, ByteLevel (which adds no ids).
  // Errors: kUnsupported by name, kCorrupt. Ids are not checked against a vocabulary.
  static Result<PostProcessor> parse(const Json& json);
};

}  // namespace assay::text
