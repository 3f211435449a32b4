// normalizer.h: the "normalizer" of a tokenizer.json: what is done to text before it is split.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/json_fields.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace assay::text {

// Immutable and thread safe. Knows Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip.
class Normalizer {
 public:
  // `json` may be null: text stays as it is. Errors: kUnsupported by name, kCorrupt.
  static Result<Normalizer> parse(const Json& json);

  // Sets *keeps_start to false where the first character of `text` was cut away. REQUIRES: valid UTF-8.
  Result<std::string> apply(std::string_view text, bool* keeps_start) const;

 private:
  struct Prepend {
    std::string content;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  struct Lowercase {};
  struct Strip {
    bool left, right;
  };
  using Step = std::variant<NormalForm, Prepend, Replace, Lowercase, Strip>;

  Status add_steps(const Json& json, int depth);
  static Result<Step> parse_step(const std::string& type, const Json& json);
  static Result<std::string> apply_step(const Step& step, std::string text, bool* keeps_start);

  std::vector<Step> steps_;
};

}  // namespace assay::text
