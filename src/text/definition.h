// definition.h: what a tokenizer is made of, whatever file it came from; and the readers of those files.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/json_fields.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace assay::text {

// The four pipeline members are as in a tokenizer.json (null: none); the rest is resolved to ids.
struct Definition {
  Json normalizer, pre_tokenizer, post_processor, decoder;
  std::vector<AddedToken> added_tokens;
  Vocabulary vocabulary;      // of the byte-pair model; added tokens need not be in it
  std::vector<Merge> merges;  // best first
  BpeOptions bpe;
  std::optional<std::int32_t> bos_id, eos_id, unk_id, pad_id;
  std::string chat_template;
};

Result<Definition> read_tokenizer_json(ByteView tokenizer_json, ByteView tokenizer_config_json);
Result<Definition> read_vocab_and_merges(ByteView vocab_json, ByteView merges_txt,
                                         ByteView tokenizer_config_json);
Result<Definition> read_gguf_vocabulary(const GgufVocabulary& gguf);

// The text of token `id`; nullptr where there is none. An added token's text is its content.
const std::string* token_text(const Definition& definition, std::int32_t id);

// A tokenizer.json TemplateProcessing: the given tokens, the text, the given tokens. Null where both are
// absent. REQUIRES: the ids have texts.
Json make_post_processor(const Definition& definition, std::optional<std::int32_t> before,
                         std::optional<std::int32_t> after);

// Reads bos_token, eos_token, unk_token, pad_token, add_bos_token, add_eos_token, chat_template of a
// tokenizer_config.json (may be empty: nothing happens). As in transformers, a post-processor is replaced
// where add_bos_token or add_eos_token is given. Errors: kCorrupt, also where a named token is not in the
// vocabulary.
Status apply_tokenizer_config(ByteView tokenizer_config_json, Definition* definition);

// Adds merges to the definition, ranked in order. Errors: kCorrupt where a part or the whole is no token.
class MergeReader {
 public:
  explicit MergeReader(Definition* definition) : definition_(definition) {}
  Status add(std::string_view left, std::string_view right);
  // "left right". Where tokens hold spaces themselves, the one way to read it that gives tokens.
  Status add_line(std::string_view line);

 private:
  Definition* definition_;
};

// Whole files for Hugging Face `tokenizers` and `transformers`.
std::string write_tokenizer_json(const Definition& definition);
std::string write_tokenizer_config_json(const Definition& definition, bool adds_bos, bool adds_eos);

}  // namespace assay::text
