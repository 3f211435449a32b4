// decoder.h: the "decoder" of a tokenizer.json: token texts back to text.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/json_fields.h"
#include "text/pattern.h"

namespace assay::text {

// Immutable and thread safe. Knows Sequence, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip.
class Decoder {
 public:
  // `json` may be null: tokens are joined by spaces. Errors: kUnsupported by name, kCorrupt.
  static Result<Decoder> parse(const Json& json);

  std::string decode(std::vector<std::string> tokens) const;

  // What one token adds to a running text: bytes, perhaps not UTF-8. Rules about the ends of the text do not
  // count.
  std::string token_bytes(std::string_view token) const;

 private:
  struct ByteLevel {};
  struct ByteFallback {};
  struct Fuse {};
  struct Metaspace {
    std::string replacement;
    bool prepends;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  struct Strip {
    std::string content;
    std::int64_t start, stop;
  };
  using Step = std::variant<ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip>;

  Status add_steps(const Json& json, int depth);
  static Result<Step> parse_step(const std::string& type, const Json& json);
  std::vector<std::string> apply(const Step& step, std::vector<std::string> tokens) const;
  std::string bytes_of_stand_ins(std::string_view token) const;

  std::vector<Step> steps_;
  ByteAlphabet alphabet_;
};

}  // namespace assay::text
