// The reader of GGUF metadata. Token ids are positions; what the two kinds of models mean is llama.cpp's.
#include <algorithm>
#include <cmath>

#include "text/definition.h"
#include "text/gguf_pre_tokenizer.h"
#include "text/unicode.h"

namespace assay::text {
namespace {

enum TokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

constexpr std::size_t kMaxTokenBytes = 4096;  // finding a token's merges takes time quadratic in its length
constexpr const char* kSpaceMark = "\xE2\x96\x81";

Error corrupt(const std::string& key, const std::string& message) {
  return Error{ErrorCode::kCorrupt, "tokenizer.ggml." + key + ": " + message};
}

std::int32_t type_of(const GgufVocabulary& gguf, std::size_t id) {
  return gguf.token_types.empty() ? kNormal : gguf.token_types[id];
}

Status read_tokens(const GgufVocabulary& gguf, Definition* definition) {
  if (gguf.tokens.empty()) return corrupt("tokens", "is empty");
  if (!gguf.token_types.empty() && gguf.token_types.size() != gguf.tokens.size()) {
    return corrupt("token_type", "has " + std::to_string(gguf.token_types.size()) + " entries for " +
                                     std::to_string(gguf.tokens.size()) + " tokens");
  }
  for (std::size_t id = 0; id < gguf.tokens.size(); ++id) {
    const std::string& token = gguf.tokens[id];
    if (find_invalid_utf8(token).has_value())
      return corrupt("tokens", "token " + std::to_string(id) + " is not UTF-8");
    if (token.size() > kMaxTokenBytes) {
      return Error{ErrorCode::kResourceLimit, "tokenizer.ggml.tokens: token " + std::to_string(id) + " has " +
                                                  std::to_string(token.size()) + " bytes, at most " +
                                                  std::to_string(kMaxTokenBytes) + " are allowed"};
    }
    const std::string text = token.empty() ? "[EMPTY_" + std::to_string(id) + "]" : token;  // as llama.cpp
    ASSAY_RETURN_IF_ERROR(definition->vocabulary.add(text, static_cast<std::int64_t>(id)));
    const std::int32_t type = type_of(gguf, id);
    if (type != kUnknown && type != kControl && type != kUserDefined) continue;
    definition->added_tokens.push_back(
        {.id = static_cast<std::int32_t>(id), .content = text, .special = type != kUserDefined});
  }
  return {};
}

Result<std::optional<std::int32_t>> read_id(const GgufVocabulary& gguf, const char* key,
                                            std::optional<std::int64_t> id) {
  if (!id.has_value()) return std::optional<std::int32_t>();
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= gguf.tokens.size()) {
    return corrupt(key,
                   std::to_string(*id) + " is not one of " + std::to_string(gguf.tokens.size()) + " tokens");
  }
  return std::optional<std::int32_t>(static_cast<std::int32_t>(*id));
}

Status read_ids(const GgufVocabulary& gguf, Definition* definition) {
  ASSAY_TRY(definition->bos_id, read_id(gguf, "bos_token_id", gguf.bos_id));
  ASSAY_TRY(definition->eos_id, read_id(gguf, "eos_token_id", gguf.eos_id));
  ASSAY_TRY(definition->unk_id, read_id(gguf, "unknown_token_id", gguf.unk_id));
  ASSAY_TRY(definition->pad_id, read_id(gguf, "padding_token_id", gguf.pad_id));
  return {};
}

Status add_post_processor(const GgufVocabulary& gguf, bool add_bos, Definition* definition) {
  const bool bos = gguf.add_bos.value_or(add_bos), eos = gguf.add_eos.value_or(false);
  if (bos && !definition->bos_id.has_value())
    return corrupt("bos_token_id", "missing, but BOS is to be added");
  if (eos && !definition->eos_id.has_value())
    return corrupt("eos_token_id", "missing, but EOS is to be added");
  definition->post_processor = make_post_processor(*definition, bos ? definition->bos_id : std::nullopt,
                                                   eos ? definition->eos_id : std::nullopt);
  return {};
}

Status read_byte_level(const GgufVocabulary& gguf, Definition* definition) {
  ASSAY_TRY(GgufPreTokenizer pre, gguf_pre_tokenizer(gguf.pre.empty() ? "default" : gguf.pre));
  definition->normalizer = std::move(pre.normalizer);
  definition->pre_tokenizer = std::move(pre.pre_tokenizer);
  definition->decoder = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  definition->bpe.ignore_merges = pre.ignore_merges;
  if (gguf.add_space_prefix.value_or(false)) {
    return Error{ErrorCode::kUnsupported,
                 "tokenizer.ggml.add_space_prefix: true is not supported with model 'gpt2'"};
  }
  MergeReader reader(definition);
  for (const std::string& merge : gguf.merges) {
    if (find_invalid_utf8(merge).has_value()) return corrupt("merges", "a merge is not UTF-8");
    ASSAY_RETURN_IF_ERROR(reader.add_line(merge));
  }
  return add_post_processor(gguf, pre.add_bos, definition);
}

struct ScoredMerge {
  Merge merge;
  float score;
  std::size_t left_bytes;
};

// Every way to cut a token into two tokens. Pieces that SentencePiece reserves (control, unknown, byte) take
// no part.
std::vector<ScoredMerge> all_merges(const GgufVocabulary& gguf, const Vocabulary& vocabulary) {
  const auto joins = [&](std::size_t id) {
    const std::int32_t type = type_of(gguf, id);
    return type == kNormal || type == kUserDefined || type == kUnused;
  };
  std::vector<ScoredMerge> merges;
  for (std::size_t id = 0; id < gguf.tokens.size(); ++id) {
    if (!joins(id)) continue;
    const std::string_view token = gguf.tokens[id];
    for (std::size_t at = 0; at < token.size();) {
      next_code_point(token, &at);
      if (at == token.size()) break;
      const auto left = vocabulary.id(token.substr(0, at)), right = vocabulary.id(token.substr(at));
      if (!left || !right || !joins(static_cast<std::size_t>(*left)) ||
          !joins(static_cast<std::size_t>(*right)))
        continue;
      merges.push_back({{*left, *right, static_cast<std::int32_t>(id), 0}, gguf.scores[id], at});
    }
  }
  return merges;
}

// SentencePiece merges by score and, among equal scores, from the left: equal scores are equal ranks. The
// order in the list is the one that Hugging Face's converter gives.
Status read_scored(const GgufVocabulary& gguf, Definition* definition) {
  if (gguf.scores.size() != gguf.tokens.size()) {
    return corrupt("scores", "has " + std::to_string(gguf.scores.size()) + " entries for " +
                                 std::to_string(gguf.tokens.size()) + " tokens");
  }
  for (const float score : gguf.scores) {
    if (std::isnan(score)) return corrupt("scores", "holds a NaN");
  }
  std::vector<ScoredMerge> merges = all_merges(gguf, definition->vocabulary);
  std::stable_sort(merges.begin(), merges.end(), [](const ScoredMerge& a, const ScoredMerge& b) {
    return a.score != b.score ? a.score > b.score : a.left_bytes > b.left_bytes;
  });
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const bool tied = i > 0 && merges[i].score == merges[i - 1].score;
    merges[i].merge.rank = tied ? merges[i - 1].merge.rank : static_cast<std::uint32_t>(i);
    definition->merges.push_back(merges[i].merge);
  }
  definition->bpe = {.unk_id = definition->unk_id, .fuse_unk = true, .byte_fallback = true};
  const bool prefix = gguf.add_space_prefix.value_or(true);
  const Json mark_spaces = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}};
  const Json unmark_spaces = {{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}};
  Json normalizers = Json::array(),
       decoders = Json::array({unmark_spaces, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  normalizers.push_back(mark_spaces);
  definition->normalizer = {{"type", "Sequence"}, {"normalizers", normalizers}};
  definition->decoder = {{"type", "Sequence"}, {"decoders", decoders}};
  return add_post_processor(gguf, /*add_bos=*/true, definition);
}

}  // namespace

Result<Definition> read_gguf_vocabulary(const GgufVocabulary& gguf) {
  Definition definition;
  ASSAY_RETURN_IF_ERROR(read_tokens(gguf, &definition));
  ASSAY_RETURN_IF_ERROR(read_ids(gguf, &definition));
  if (gguf.model == "gpt2") {
    ASSAY_RETURN_IF_ERROR(read_byte_level(gguf, &definition));
  } else if (gguf.model == "llama") {
    ASSAY_RETURN_IF_ERROR(read_scored(gguf, &definition));
  } else {
    return Error{ErrorCode::kUnsupported,
                 "tokenizer.ggml.model: '" + gguf.model + "' is not supported (known: gpt2, llama)"};
  }
  if (find_invalid_utf8(gguf.chat_template))
    return Error{ErrorCode::kCorrupt, "tokenizer.chat_template: is not UTF-8"};
  definition.chat_template = gguf.chat_template;
  return definition;
}

}  // namespace assay::text
