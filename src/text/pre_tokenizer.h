// pre_tokenizer.h: the "pre_tokenizer" of a tokenizer.json: cuts text into the pieces that are encoded by
// themselves.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/json_fields.h"
#include "text/pattern.h"

namespace assay::text {

// Pieces in order; no piece is empty. `text` is not the input any more once a step has rewritten it.
struct Pieces {
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool at_start = false;  // begins where the whole input begins
  };
  std::string text;
  std::vector<Range> ranges;

  std::string_view operator[](std::size_t i) const {
    return std::string_view(text).substr(ranges[i].begin, ranges[i].end - ranges[i].begin);
  }
};

// Immutable and thread safe. Knows Sequence, ByteLevel, Split, Digits, Metaspace.
class PreTokenizer {
 public:
  // `json` may be null: one piece. Errors: kUnsupported by name, kCorrupt.
  static Result<PreTokenizer> parse(const Json& json);

  // REQUIRES: valid UTF-8.
  Status apply(Pieces* pieces) const;

 private:
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prepend { kFirst, kNever, kAlways };
  struct Split {
    Pattern pattern;
    Behavior behavior;
    bool invert;
  };
  struct ByteLevel {
    bool add_prefix_space;
    std::optional<Split> words;
  };
  struct Digits {
    bool individual;
  };
  struct Metaspace {
    std::string replacement;
    Prepend prepend;
    bool split;
  };
  using Step = std::variant<Split, ByteLevel, Digits, Metaspace>;

  Status add_steps(const Json& json, int depth);
  static Result<Step> parse_step(const std::string& type, const Json& json);
  static Result<Step> parse_split(const Json& json);
  static Result<Step> parse_metaspace(const Json& json);
  static void cut(const std::vector<Span>& spans, Behavior behavior, const Pieces::Range& from,
                  std::vector<Pieces::Range>* ranges);
  static Status apply_split(const Split& split, Pieces* pieces);
  static void apply_digits(const Digits& digits, Pieces* pieces);
  static Status apply_metaspace(const Metaspace& metaspace, Pieces* pieces);
  Status apply_byte_level(const ByteLevel& byte_level, Pieces* pieces) const;

  std::vector<Step> steps_;
  ByteAlphabet alphabet_;
};

}  // namespace assay::text
