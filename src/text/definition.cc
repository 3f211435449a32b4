#include "text/definition.h"

#include <array>

namespace assay::text {
namespace {

Json special_token_piece(const std::string& token) {
  return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
}
Json sequence_piece(const char* name, int type_id) {
  return {{"Sequence", {{"id", name}, {"type_id", type_id}}}};
}

std::optional<std::int32_t> id_of(const Definition& definition, std::string_view token) {
  for (const AddedToken& added : definition.added_tokens) {
    if (added.content == token) return added.id;
  }
  return definition.vocabulary.id(token);
}

// A token of a tokenizer_config.json: its text, or an object with its text as "content".
Status read_config_token(const Json& config, const char* key, const Definition& definition,
                         std::optional<std::int32_t>* id) {
  const Json* field = find_field(config, key);
  if (field == nullptr) return {};
  const std::string where = "tokenizer_config.json";
  std::string token;
  if (field->is_string()) {
    token = field->get<std::string>();
  } else {
    ASSAY_TRY(token, string_field(*field, "content", where + "." + key));
  }
  *id = id_of(definition, token);
  if (!id->has_value()) {
    return Error{ErrorCode::kCorrupt, where + "." + key + ": '" + token + "' is not in the vocabulary"};
  }
  return {};
}

// One text, or a list of named ones.
std::string read_chat_template(const Json& config) {
  const Json* templates = find_field(config, "chat_template");
  if (templates == nullptr) return {};
  if (templates->is_string()) return *templates;
  if (!templates->is_array()) return {};
  for (const Json& named : *templates) {
    if (!named.is_object()) continue;
    const Json *name = find_field(named, "name"), *text = find_field(named, "template");
    if (name != nullptr && *name == "default" && text != nullptr && text->is_string()) return *text;
  }
  return {};
}

}  // namespace

const std::string* token_text(const Definition& definition, std::int32_t id) {
  for (const AddedToken& added : definition.added_tokens) {
    if (added.id == id) return &added.content;
  }
  return definition.vocabulary.token(id);
}

Json make_post_processor(const Definition& definition, std::optional<std::int32_t> before,
                         std::optional<std::int32_t> after) {
  if (!before.has_value() && !after.has_value()) return nullptr;
  Json single = Json::array(), pair = Json::array(), special_tokens = Json::object();
  const auto add_special = [&](std::optional<std::int32_t> id, std::initializer_list<Json*> templates) {
    if (!id.has_value()) return;
    const std::string& token = *token_text(definition, *id);
    for (Json* pieces : templates) pieces->push_back(special_token_piece(token));
    special_tokens[token] = {{"id", token}, {"ids", {*id}}, {"tokens", {token}}};
  };
  add_special(before, {&single, &pair});
  single.push_back(sequence_piece("A", 0));
  pair.push_back(sequence_piece("A", 0));
  add_special(after, {&single, &pair});
  add_special(before, {&pair});
  pair.push_back(sequence_piece("B", 1));
  add_special(after, {&pair});
  return {
      {"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special_tokens}};
}

Status apply_tokenizer_config(ByteView tokenizer_config_json, Definition* definition) {
  if (tokenizer_config_json.empty()) return {};
  const std::string where = "tokenizer_config.json";
  ASSAY_TRY(const Json config, parse_json(tokenizer_config_json, where));
  if (!config.is_object()) return Error{ErrorCode::kCorrupt, where + ": expected an object"};
  ASSAY_RETURN_IF_ERROR(read_config_token(config, "bos_token", *definition, &definition->bos_id));
  ASSAY_RETURN_IF_ERROR(read_config_token(config, "eos_token", *definition, &definition->eos_id));
  ASSAY_RETURN_IF_ERROR(read_config_token(config, "unk_token", *definition, &definition->unk_id));
  ASSAY_RETURN_IF_ERROR(read_config_token(config, "pad_token", *definition, &definition->pad_id));
  definition->chat_template = read_chat_template(config);
  if (find_field(config, "add_bos_token") == nullptr && find_field(config, "add_eos_token") == nullptr)
    return {};
  ASSAY_TRY(const bool add_bos, bool_field(config, "add_bos_token", false, where));
  ASSAY_TRY(const bool add_eos, bool_field(config, "add_eos_token", false, where));
  definition->post_processor = make_post_processor(*definition, add_bos ? definition->bos_id : std::nullopt,
                                                   add_eos ? definition->eos_id : std::nullopt);
  return {};
}

Status MergeReader::add(std::string_view left, std::string_view right) {
  const Vocabulary& vocabulary = definition_->vocabulary;
  const std::string joined = std::string(left) + std::string(right);
  for (const std::string_view token : {left, right, std::string_view(joined)}) {
    if (!vocabulary.id(token).has_value()) {
      return Error{ErrorCode::kCorrupt, "merges: merge " + std::to_string(definition_->merges.size()) +
                                            " ('" + std::string(left) + "', '" + std::string(right) +
                                            "') needs token '" + std::string(token) +
                                            "', which is not in the vocabulary"};
    }
  }
  const auto rank = static_cast<std::uint32_t>(definition_->merges.size());
  definition_->merges.push_back({*vocabulary.id(left), *vocabulary.id(right), *vocabulary.id(joined), rank});
  return {};
}

Status MergeReader::add_line(std::string_view line) {
  const Vocabulary& vocabulary = definition_->vocabulary;
  const std::size_t first = line.find(' ');
  if (first != std::string_view::npos && first == line.rfind(' ')) {
    return add(line.substr(0, first), line.substr(first + 1));
  }
  std::size_t separator = std::string_view::npos;
  int readings = 0;
  for (std::size_t at = first; at != std::string_view::npos; at = line.find(' ', at + 1)) {
    const std::string_view left = line.substr(0, at), right = line.substr(at + 1);
    const std::string joined = std::string(left) + std::string(right);
    if (!vocabulary.id(left) || !vocabulary.id(right) || !vocabulary.id(joined)) continue;
    separator = at;
    ++readings;
  }
  if (readings == 1) return add(line.substr(0, separator), line.substr(separator + 1));
  return Error{ErrorCode::kCorrupt, "merges: merge " + std::to_string(definition_->merges.size()) + " ('" +
                                        std::string(line) + "') is not two tokens with one space between"};
}

std::string write_tokenizer_json(const Definition& definition) {
  Json added = Json::array();
  for (const AddedToken& token : definition.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  const Vocabulary& vocabulary = definition.vocabulary;
  Json vocab = Json::object(), merges = Json::array();
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (const std::string* token = vocabulary.token(id)) vocab[*token] = id;
  }
  for (const Merge& merge : definition.merges) {
    merges.push_back({*vocabulary.token(merge.left), *vocabulary.token(merge.right)});
  }
  const BpeOptions& bpe = definition.bpe;
  const Json unk = bpe.unk_id.has_value() ? Json(*vocabulary.token(*bpe.unk_id)) : Json(nullptr);
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", unk},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", bpe.fuse_unk},
                      {"byte_fallback", bpe.byte_fallback},
                      {"ignore_merges", bpe.ignore_merges},
                      {"vocab", vocab},
                      {"merges", merges}};
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", definition.normalizer},
                     {"pre_tokenizer", definition.pre_tokenizer},
                     {"post_processor", definition.post_processor},
                     {"decoder", definition.decoder},
                     {"model", model}};
  return file.dump(1) + "\n";
}

std::string write_tokenizer_config_json(const Definition& definition, bool adds_bos, bool adds_eos) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"add_bos_token", adds_bos},
                 {"add_eos_token", adds_eos}};
  const std::array<std::pair<const char*, std::optional<std::int32_t>>, 4> tokens = {
      {{"bos_token", definition.bos_id},
       {"eos_token", definition.eos_id},
       {"unk_token", definition.unk_id},
       {"pad_token", definition.pad_id}}};
  for (const auto& [key, id] : tokens) {
    if (id.has_value()) config[key] = *token_text(definition, *id);
  }
  if (!definition.chat_template.empty()) config["chat_template"] = definition.chat_template;
  return config.dump(2) + "\n";
}

}  // namespace assay::text
