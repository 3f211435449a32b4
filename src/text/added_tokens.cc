#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace assay::text {
namespace {

// \w of Rust's regex crate, which HF tests the neighbours of single_word tokens with.
constexpr std::string_view kWordCharacter = R"(\A[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])";

std::size_t previous_boundary(std::string_view text, std::size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

// Where the white space that ends at `end` begins.
std::size_t leading_edge(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t begin = previous_boundary(text, end);
    std::size_t at = begin;
    if (!is_white_space(next_code_point(text, &at))) break;
    end = begin;
  }
  return end;
}

// Where the white space that begins at `begin` ends.
std::size_t trailing_edge(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    std::size_t at = begin;
    if (!is_white_space(next_code_point(text, &at))) break;
    begin = at;
  }
  return begin;
}

}  // namespace

Status AddedTokenMatcher::add(const AddedToken& token, std::string_view pattern) {
  if (token.single_word && !word_character_.has_value()) {
    ASSAY_TRY(word_character_, Regex::compile_pcre2(kWordCharacter));
  }
  std::uint32_t node = 0;
  for (const char c : pattern) {
    const std::uint64_t edge = std::uint64_t{node} << 8 | static_cast<unsigned char>(c);
    const auto [found, is_new] = edges_.try_emplace(edge, static_cast<std::uint32_t>(token_of_node_.size()));
    if (is_new) token_of_node_.push_back(-1);
    node = found->second;
  }
  if (token_of_node_[node] >= 0) {
    return Error{ErrorCode::kCorrupt,
                 "added_tokens: '" + token.content + "' (id " + std::to_string(token.id) +
                     ") is searched for by the same text as id " +
                     std::to_string(tokens_[static_cast<std::size_t>(token_of_node_[node])].id)};
  }
  token_of_node_[node] = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back(token);
  return {};
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::longest_at(std::string_view text,
                                                                      std::size_t begin) const {
  std::optional<Match> longest;
  std::uint32_t node = 0;
  for (std::size_t at = begin; at < text.size(); ++at) {
    const auto edge = edges_.find(std::uint64_t{node} << 8 | static_cast<unsigned char>(text[at]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (token_of_node_[node] >= 0)
      longest = Match{at + 1, &tokens_[static_cast<std::size_t>(token_of_node_[node])]};
  }
  return longest;
}

Result<bool> AddedTokenMatcher::touches_word(std::string_view text, std::size_t begin,
                                             std::size_t end) const {
  for (const std::size_t neighbour : {begin == 0 ? text.size() : previous_boundary(text, begin), end}) {
    if (neighbour == text.size()) continue;
    std::size_t behind = neighbour;
    next_code_point(text, &behind);
    std::vector<Span> spans;
    ASSAY_RETURN_IF_ERROR(word_character_->find_all(text.substr(neighbour, behind - neighbour), &spans));
    if (spans.front().matched) return true;
  }
  return false;
}

Status AddedTokenMatcher::find_all(std::string_view text, std::vector<Segment>* segments) const {
  std::size_t covered = 0;
  for (std::size_t at = 0; at < text.size() && !tokens_.empty();) {
    const std::optional<Match> match = longest_at(text, at);
    if (!match.has_value()) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = match->end;
    at = end;  // also for a match that is discarded: what it covers is not searched again
    if (match->token->single_word) {
      ASSAY_TRY(const bool discarded, touches_word(text, begin, end));
      if (discarded) continue;
    }
    if (match->token->lstrip) begin = std::max(leading_edge(text, begin), covered);
    if (match->token->rstrip) end = trailing_edge(text, end);
    if (covered < begin) segments->push_back({covered, begin, std::nullopt});
    segments->push_back({begin, end, match->token->id});
    covered = end;
  }
  if (covered != text.size()) segments->push_back({covered, text.size(), std::nullopt});
  return {};
}

}  // namespace assay::text
