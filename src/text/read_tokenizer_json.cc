// The readers of Hugging Face files: tokenizer.json, and vocab.json with merges.txt.
#include "text/definition.h"

namespace assay::text {
namespace {

Status read_vocabulary(const Json& vocab, const std::string& where, Vocabulary* vocabulary) {
  if (!vocab.is_object()) return Error{ErrorCode::kCorrupt, where + ": expected an object of token to id"};
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_unsigned()) {
      return Error{ErrorCode::kCorrupt, where + ": the id of '" + token + "' is not a number from 0"};
    }
    if (id.get<std::uint64_t>() >= static_cast<std::uint64_t>(Vocabulary::kMaxSize)) {
      return Error{ErrorCode::kResourceLimit, where + ": the id of '" + token + "' is above " +
                                                  std::to_string(Vocabulary::kMaxSize - 1)};
    }
    ASSAY_RETURN_IF_ERROR(vocabulary->add(token, id.get<std::int64_t>()));
  }
  return {};
}

Status read_merges(const Json& merges, Definition* definition) {
  if (!merges.is_array()) return Error{ErrorCode::kCorrupt, "model.merges: expected an array"};
  MergeReader reader(definition);
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      const std::string& line = merge.get_ref<const std::string&>();
      if (!line.starts_with("#version")) ASSAY_RETURN_IF_ERROR(reader.add_line(line));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      ASSAY_RETURN_IF_ERROR(
          reader.add(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()));
    } else {
      return Error{ErrorCode::kCorrupt, "model.merges: merge " + std::to_string(definition->merges.size()) +
                                            " is neither \"a b\" nor [\"a\", \"b\"]"};
    }
  }
  return {};
}

// Options that would change ids and that are not implemented.
Status refuse_unsupported(const Json& model) {
  if (const Json* type = find_field(model, "type"); type != nullptr && *type != "BPE") {
    return Error{ErrorCode::kUnsupported, "model.type: " + type->dump() + " is not supported (known: BPE)"};
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const Json* affix = find_field(model, key); affix != nullptr && *affix != "") {
      return Error{ErrorCode::kUnsupported, std::string("model.") + key + " is not supported"};
    }
  }
  if (const Json* dropout = find_field(model, "dropout"); dropout != nullptr && *dropout != 0) {
    return Error{ErrorCode::kUnsupported, "model.dropout is not supported: ids would be random"};
  }
  return {};
}

Status read_model(const Json& file, Definition* definition) {
  const Json* model = find_field(file, "model");
  if (model == nullptr || !model->is_object()) {
    return Error{ErrorCode::kCorrupt, "tokenizer.json.model: missing or not an object"};
  }
  ASSAY_RETURN_IF_ERROR(refuse_unsupported(*model));
  ASSAY_TRY(definition->bpe.fuse_unk, bool_field(*model, "fuse_unk", false, "model"));
  ASSAY_TRY(definition->bpe.byte_fallback, bool_field(*model, "byte_fallback", false, "model"));
  ASSAY_TRY(definition->bpe.ignore_merges, bool_field(*model, "ignore_merges", false, "model"));
  const Json* vocab = find_field(*model, "vocab");
  const Json* merges = find_field(*model, "merges");
  if (vocab == nullptr || merges == nullptr)
    return Error{ErrorCode::kCorrupt, "model: vocab or merges is missing"};
  ASSAY_RETURN_IF_ERROR(read_vocabulary(*vocab, "model.vocab", &definition->vocabulary));
  ASSAY_RETURN_IF_ERROR(read_merges(*merges, definition));
  if (find_field(*model, "unk_token") != nullptr) {
    ASSAY_TRY(const std::string unk_token, string_field(*model, "unk_token", "model"));
    definition->bpe.unk_id = definition->vocabulary.id(unk_token);
    definition->unk_id = definition->bpe.unk_id;
  }
  return {};
}

Result<AddedToken> read_added_token(const Json& json) {
  const std::string where = "added_tokens";
  AddedToken token;
  ASSAY_TRY(const std::int64_t id, integer_field(json, "id", where));
  if (id < 0 || id >= Vocabulary::kMaxSize) {
    return Error{ErrorCode::kResourceLimit, where + ".id: " + std::to_string(id) + " is not from 0 to " +
                                                std::to_string(Vocabulary::kMaxSize - 1)};
  }
  token.id = static_cast<std::int32_t>(id);
  ASSAY_TRY(token.content, string_field(json, "content", where));
  ASSAY_TRY(token.special, bool_field(json, "special", std::nullopt, where));
  ASSAY_TRY(token.normalized, bool_field(json, "normalized", std::nullopt, where));
  ASSAY_TRY(token.lstrip, bool_field(json, "lstrip", std::nullopt, where));
  ASSAY_TRY(token.rstrip, bool_field(json, "rstrip", std::nullopt, where));
  ASSAY_TRY(token.single_word, bool_field(json, "single_word", std::nullopt, where));
  return token;
}

// HF gives ids by itself: that of the model's vocabulary, or the next free one. A file that says otherwise
// has been made by something else, and whose ids are meant is not decidable.
Status read_added_tokens(const Json& file, Definition* definition) {
  const Json* tokens = find_field(file, "added_tokens");
  if (tokens == nullptr) return {};
  if (!tokens->is_array()) return Error{ErrorCode::kCorrupt, "added_tokens: expected an array"};
  std::int32_t next_id = definition->vocabulary.num_tokens();
  for (const Json& json : *tokens) {
    ASSAY_TRY(AddedToken token, read_added_token(json));
    if (token.content.empty()) continue;
    const auto in_model = definition->vocabulary.id(token.content);
    const std::int32_t expected = in_model.value_or(next_id);
    if (!in_model.has_value()) ++next_id;
    if (token.id != expected ||
        (!in_model.has_value() && definition->vocabulary.token(token.id) != nullptr)) {
      return Error{ErrorCode::kCorrupt, "added_tokens: '" + token.content + "' has id " +
                                            std::to_string(token.id) + ", but the vocabulary makes it " +
                                            std::to_string(expected)};
    }
    definition->added_tokens.push_back(std::move(token));
  }
  return {};
}

Json member(const Json& file, const char* key) {
  const Json* found = find_field(file, key);
  return found == nullptr ? Json(nullptr) : *found;
}

// The tokens that tokenizer_config.json names are special ones: decode(skip_special) leaves them out.
void add_special_tokens(Definition* definition) {
  for (const auto& id : {definition->bos_id, definition->eos_id, definition->unk_id, definition->pad_id}) {
    if (!id.has_value()) continue;
    bool is_new = true;
    for (const AddedToken& token : definition->added_tokens) is_new = is_new && token.id != *id;
    if (!is_new) continue;
    definition->added_tokens.push_back(
        {.id = *id, .content = *definition->vocabulary.token(*id), .special = true});
  }
}

}  // namespace

Result<Definition> read_tokenizer_json(ByteView tokenizer_json, ByteView tokenizer_config_json) {
  ASSAY_TRY(const Json file, parse_json(tokenizer_json, "tokenizer.json"));
  if (!file.is_object()) return Error{ErrorCode::kCorrupt, "tokenizer.json: expected an object"};
  if (const Json* version = find_field(file, "version"); version != nullptr && *version != "1.0") {
    return Error{ErrorCode::kUnsupported,
                 "tokenizer.json.version: " + version->dump() + " is not supported (known: 1.0)"};
  }
  Definition definition;
  definition.normalizer = member(file, "normalizer");
  definition.pre_tokenizer = member(file, "pre_tokenizer");
  definition.post_processor = member(file, "post_processor");
  definition.decoder = member(file, "decoder");
  ASSAY_RETURN_IF_ERROR(read_model(file, &definition));
  ASSAY_RETURN_IF_ERROR(read_added_tokens(file, &definition));
  ASSAY_RETURN_IF_ERROR(apply_tokenizer_config(tokenizer_config_json, &definition));
  return definition;
}

Result<Definition> read_vocab_and_merges(ByteView vocab_json, ByteView merges_txt,
                                         ByteView tokenizer_config_json) {
  ASSAY_TRY(const Json vocab, parse_json(vocab_json, "vocab.json"));
  Definition definition;
  ASSAY_RETURN_IF_ERROR(read_vocabulary(vocab, "vocab.json", &definition.vocabulary));
  MergeReader reader(&definition);
  std::string_view rest = as_text(merges_txt);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    ASSAY_RETURN_IF_ERROR(reader.add_line(line));
  }
  bool add_prefix_space = false;
  if (tokenizer_config_json.empty()) {
    definition.bos_id = definition.eos_id = definition.unk_id = definition.vocabulary.id("<|endoftext|>");
  } else {
    ASSAY_TRY(const Json config, parse_json(tokenizer_config_json, "tokenizer_config.json"));
    ASSAY_TRY(add_prefix_space, bool_field(config, "add_prefix_space", false, "tokenizer_config.json"));
    ASSAY_RETURN_IF_ERROR(apply_tokenizer_config(tokenizer_config_json, &definition));
  }
  add_special_tokens(&definition);
  definition.pre_tokenizer = {{"type", "ByteLevel"},
                              {"add_prefix_space", add_prefix_space},
                              {"trim_offsets", true},
                              {"use_regex", true}};
  definition.decoder = definition.pre_tokenizer;
  return definition;
}

}  // namespace assay::text
