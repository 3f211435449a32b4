#include "text/tokenizer.h"

#include <unordered_map>

#include "text/decoder.h"
#include "text/definition.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace assay {

using text::AddedToken;
using text::Definition;
using text::Segment;

struct Tokenizer::Tables {
  Definition definition;
  text::Normalizer normalizer;
  text::PreTokenizer pre_tokenizer;
  text::PostProcessor post_processor;
  text::Decoder decoder;
  text::AddedTokenMatcher raw_tokens;         // searched for in the text as it comes
  text::AddedTokenMatcher normalized_tokens;  // searched for in the normalized text
  std::unordered_map<std::int32_t, const AddedToken*> added_by_id;
  std::unordered_map<std::string_view, std::int32_t> added_ids;
  std::optional<text::Bpe> bpe;  // refers to definition.vocabulary
  std::int32_t size = 0;

  static Result<std::shared_ptr<const Tables>> build(Result<Definition> definition);

  Status add_tokens();
  Status check_ids() const;
  const std::string* token(std::int32_t id) const;
  Status encode_normalized(std::string_view normalized, bool at_start, text::Bpe::Scratch* scratch,
                           std::vector<std::int32_t>* ids) const;
};

const std::string* Tokenizer::Tables::token(std::int32_t id) const {
  const auto added = added_by_id.find(id);
  return added != added_by_id.end() ? &added->second->content : definition.vocabulary.token(id);
}

Status Tokenizer::Tables::add_tokens() {
  for (const AddedToken& token : definition.added_tokens) {
    const bool is_new = added_by_id.try_emplace(token.id, &token).second;
    if (!is_new || !added_ids.try_emplace(token.content, token.id).second) {
      return Error{ErrorCode::kCorrupt, "added_tokens: '" + token.content + "' (id " +
                                            std::to_string(token.id) + ") is listed twice"};
    }
    size = std::max(size, token.id + 1);
    if (!token.normalized) {
      ASSAY_RETURN_IF_ERROR(raw_tokens.add(token, token.content));
      continue;
    }
    bool keeps_start = true;
    ASSAY_TRY(const std::string pattern, normalizer.apply(token.content, &keeps_start));
    if (!pattern.empty()) ASSAY_RETURN_IF_ERROR(normalized_tokens.add(token, pattern));
  }
  return {};
}

Status Tokenizer::Tables::check_ids() const {
  for (const auto* side : {&post_processor.before, &post_processor.after}) {
    for (const std::int32_t id : *side) {
      if (token(id) == nullptr) {
        return Error{ErrorCode::kCorrupt,
                     "post_processor: adds id " + std::to_string(id) + ", which is no token"};
      }
    }
  }
  return {};
}

Result<std::shared_ptr<const Tokenizer::Tables>> Tokenizer::Tables::build(Result<Definition> definition) {
  if (!definition) return definition.error();
  auto tables = std::make_shared<Tables>();
  tables->definition = *std::move(definition);
  Definition& parts = tables->definition;
  ASSAY_TRY(tables->normalizer, text::Normalizer::parse(parts.normalizer));
  ASSAY_TRY(tables->pre_tokenizer, text::PreTokenizer::parse(parts.pre_tokenizer));
  ASSAY_TRY(tables->post_processor, text::PostProcessor::parse(parts.post_processor));
  ASSAY_TRY(tables->decoder, text::Decoder::parse(parts.decoder));
  tables->size = parts.vocabulary.size();
  ASSAY_RETURN_IF_ERROR(tables->add_tokens());
  ASSAY_RETURN_IF_ERROR(tables->check_ids());
  const text::PostProcessor& added = tables->post_processor;
  if (!parts.bos_id.has_value() && !added.before.empty()) parts.bos_id = added.before.front();
  if (!parts.eos_id.has_value() && !added.after.empty()) parts.eos_id = added.after.back();
  tables->bpe.emplace(parts.vocabulary, parts.merges, parts.bpe);
  return std::shared_ptr<const Tables>(std::move(tables));
}

Result<Tokenizer> Tokenizer::from_tokenizer_json(ByteView tokenizer_json, ByteView tokenizer_config_json,
                                                 std::string chat_template) {
  ASSAY_TRY(Definition definition, text::read_tokenizer_json(tokenizer_json, tokenizer_config_json));
  if (!chat_template.empty()) {
    if (text::find_invalid_utf8(chat_template))
      return Error{ErrorCode::kCorrupt, "chat_template.jinja: is not UTF-8"};
    definition.chat_template = std::move(chat_template);
  }
  ASSAY_TRY(auto tables, Tables::build(std::move(definition)));
  return Tokenizer(std::move(tables));
}

Result<Tokenizer> Tokenizer::from_vocab_and_merges(ByteView vocab_json, ByteView merges_txt,
                                                   ByteView tokenizer_config_json) {
  ASSAY_TRY(auto tables,
            Tables::build(text::read_vocab_and_merges(vocab_json, merges_txt, tokenizer_config_json)));
  return Tokenizer(std::move(tables));
}

Result<Tokenizer> Tokenizer::from_gguf_vocabulary(GgufVocabulary vocabulary) {
  if (vocabulary.model == "llama") {
    vocabulary.bos_id = vocabulary.bos_id.value_or(1);
    vocabulary.eos_id = vocabulary.eos_id.value_or(2);
    vocabulary.unk_id = vocabulary.unk_id.value_or(0);
  }
  ASSAY_TRY(auto tables, Tables::build(text::read_gguf_vocabulary(vocabulary)));
  return Tokenizer(std::move(tables));
}

Status Tokenizer::Tables::encode_normalized(std::string_view normalized, bool at_start,
                                            text::Bpe::Scratch* scratch,
                                            std::vector<std::int32_t>* ids) const {
  std::vector<Segment> segments;
  ASSAY_RETURN_IF_ERROR(normalized_tokens.find_all(normalized, &segments));
  for (const Segment& segment : segments) {
    if (segment.id.has_value()) {
      ids->push_back(*segment.id);
      continue;
    }
    text::Pieces pieces;
    pieces.text = std::string(normalized.substr(segment.begin, segment.end - segment.begin));
    pieces.ranges.push_back({0, pieces.text.size(), at_start && segment.begin == 0});
    ASSAY_RETURN_IF_ERROR(pre_tokenizer.apply(&pieces));
    for (std::size_t i = 0; i < pieces.ranges.size(); ++i) bpe->encode(pieces[i], scratch, ids);
  }
  return {};
}

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8, bool add_special_tokens) const {
  if (const auto offset = text::find_invalid_utf8(utf8)) {
    return Error{ErrorCode::kInvalidArgument, "text is not valid UTF-8 at byte " + std::to_string(*offset)};
  }
  std::vector<std::int32_t> ids;
  const text::PostProcessor& special = tables_->post_processor;
  if (add_special_tokens) ids = special.before;
  std::vector<Segment> segments;
  ASSAY_RETURN_IF_ERROR(tables_->raw_tokens.find_all(utf8, &segments));
  text::Bpe::Scratch scratch;
  for (const Segment& segment : segments) {
    if (segment.id.has_value()) {
      ids.push_back(*segment.id);
      continue;
    }
    bool keeps_start = true;
    ASSAY_TRY(
        const std::string normalized,
        tables_->normalizer.apply(utf8.substr(segment.begin, segment.end - segment.begin), &keeps_start));
    ASSAY_RETURN_IF_ERROR(
        tables_->encode_normalized(normalized, keeps_start && segment.begin == 0, &scratch, &ids));
  }
  if (add_special_tokens) ids.insert(ids.end(), special.after.begin(), special.after.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const std::string* token = tables_->token(id);
    if (token != nullptr && !(skip_special && is_special(id))) tokens.push_back(*token);
  }
  return tables_->decoder.decode(std::move(tokens));
}

std::string Tokenizer::token_bytes(std::int32_t id) const {
  const std::string* token = tables_->token(id);
  return token == nullptr ? std::string() : tables_->decoder.token_bytes(*token);
}

std::int32_t Tokenizer::vocabulary_size() const { return tables_->size; }
std::optional<std::int32_t> Tokenizer::bos_id() const { return tables_->definition.bos_id; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return tables_->definition.eos_id; }

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  const auto added = tables_->added_ids.find(token);
  if (added != tables_->added_ids.end()) return added->second;
  return tables_->definition.vocabulary.id(token);
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto added = tables_->added_by_id.find(id);
  return added != tables_->added_by_id.end() && added->second->special;
}

const std::string& Tokenizer::chat_template() const { return tables_->definition.chat_template; }

std::string Tokenizer::to_tokenizer_json() const { return text::write_tokenizer_json(tables_->definition); }

std::string Tokenizer::to_tokenizer_config_json() const {
  const Definition& definition = tables_->definition;
  const text::PostProcessor& added = tables_->post_processor;
  const bool adds_bos = !added.before.empty() && definition.bos_id == added.before.front();
  const bool adds_eos = !added.after.empty() && definition.eos_id == added.after.back();
  return text::write_tokenizer_config_json(definition, adds_bos, adds_eos);
}

}  // namespace assay
