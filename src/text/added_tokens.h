// added_tokens.h: tokens that are found in the text before anything else happens to it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "text/regex.h"

namespace assay::text {

// One entry of "added_tokens"; the meaning of the flags is that of Hugging Face tokenizers.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;      // left out by decode(skip_special)
  bool normalized = false;   // searched for in the normalized text, in its own normalized form
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space behind it along
  bool single_word = false;  // only where no word character touches it
};

// A stretch of text, or an added token found there.
struct Segment {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::optional<std::int32_t> id;
};

// Finds added tokens, leftmost first and of those the longest. Immutable after build, thread safe.
class AddedTokenMatcher {
 public:
  // Adds a token under the text to search for. REQUIRES: `pattern` is not empty.
  // Errors: kCorrupt where another token has the same pattern.
  Status add(const AddedToken& token, std::string_view pattern);

  // Appends segments that cover `text` but for what flags swallow. REQUIRES: valid UTF-8.
  Status find_all(std::string_view text, std::vector<Segment>* segments) const;

 private:
  struct Match {
    std::size_t end;
    const AddedToken* token;
  };

  std::optional<Match> longest_at(std::string_view text, std::size_t begin) const;
  Result<bool> touches_word(std::string_view text, std::size_t begin, std::size_t end) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte -> node; node 0 is the root
  std::vector<std::int32_t> token_of_node_{-1};             // index into tokens_, or -1
  std::optional<Regex> word_character_;                     // only where a token is single_word
};

}  // namespace assay::text
