// tokenizer.h: text to token ids and back, with the ids that Hugging Face `tokenizers` gives.
//
// A Tokenizer is the pipeline of a tokenizer.json: added tokens are cut out, then normalizer, pre-tokenizer,
// byte-pair model and post-processor turn the rest into ids; a decoder turns ids back into text. The other
// two sources (vocab.json + merges.txt, GGUF metadata) are brought into the same pipeline. Anything the
// pipeline does not know is refused by name at load, so that ids are never silently different. "truncation"
// and "padding" of the file are ignored, as transformers does. Unicode data are those of PCRE2 and utf8proc:
// NFC and lower case may differ from HF's for characters that are newer than its tables (Unicode 14 and
// later).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assay {

// The tokenizer.ggml.* metadata of a GGUF file, as read; nothing is checked before from_gguf_vocabulary().
struct GgufVocabulary {
  std::string model;                // "gpt2": byte-level BPE by merges; "llama": SentencePiece BPE by scores
  std::string pre;                  // names the pre-tokenizer of "gpt2" models; ignored for "llama"
  std::vector<std::string> tokens;  // id -> text
  std::vector<float> scores;        // id -> score; "llama" only, else may be empty
  std::vector<std::int32_t>
      token_types;                  // id -> 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;  // "left right", best first; "gpt2" only
  std::optional<std::int64_t> bos_id, eos_id, unk_id, pad_id;
  std::optional<bool> add_bos, add_eos, add_space_prefix;  // absent: what llama.cpp takes for the model
  std::string chat_template;                               // tokenizer.chat_template; may be empty
};

// Immutable after load; every const member may be called from several threads at once. Cheap to copy and move
// (copies share the tables). A moved-from Tokenizer may only be destroyed or assigned to.
class Tokenizer {
 public:
  // tokenizer_config_json may be empty: BOS and EOS are then what the post-processor adds, if anything. Where
  // it is given, bos_token, eos_token, add_bos_token and add_eos_token count as in transformers 5. Errors:
  // kCorrupt (JSON, missing or contradicting fields), kUnsupported (a component by name), kResourceLimit.
  // `chat_template` is chat_template.jinja; where it is empty, that of tokenizer_config_json counts.
  static Result<Tokenizer> from_tokenizer_json(ByteView tokenizer_json, ByteView tokenizer_config_json,
                                               std::string chat_template = {});

  // The GPT-2 folder without tokenizer.json: byte-level BPE. Without a tokenizer_config_json <|endoftext|> is
  // BOS and EOS, and nothing is added; with one (OPT needs it) bos_token, add_bos_token, add_prefix_space,
  // ... count.
  static Result<Tokenizer> from_vocab_and_merges(ByteView vocab_json, ByteView merges_txt,
                                                 ByteView tokenizer_config_json = {});

  // Model "llama": the ids of SentencePiece's BPE; missing ids are taken as 1 (BOS), 2 (EOS), 0 (unknown).
  // Errors: also kUnsupported for a `pre` that is not known, with the list of those that are.
  static Result<Tokenizer> from_gguf_vocabulary(GgufVocabulary vocabulary);

  // The ids of `utf8`; may hold NUL. add_special_tokens adds what the post-processor adds (BOS for Llama 2,
  // Gemma; nothing for GPT-2, SmolLM2). Texts that look like an added token become that token, as in HF.
  // Errors: kInvalidArgument with the byte offset where `utf8` is not valid UTF-8.
  Result<std::vector<std::int32_t>> encode(std::string_view utf8, bool add_special_tokens) const;

  // The text of `ids` as HF decodes it (clean_up_tokenization_spaces off). skip_special leaves out special
  // tokens. Ids outside of the vocabulary are left out. Bytes that are not UTF-8 become U+FFFD. Added tokens
  // decode to their content, also "normalized" ones, where tokenizers 0.23 gives the normalized form and
  // forgets that it is special.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const;

  // The bytes that token `id` adds to a running text, for streaming: tokens may end inside a UTF-8 sequence,
  // so the caller holds back incomplete ones. A leading-space rule of the decoder (Llama 2 strips the first
  // space of the text) is not applied. Empty for an id outside of the vocabulary.
  std::string token_bytes(std::int32_t id) const;

  std::int32_t vocabulary_size() const;  // 1 + the greatest id
  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;
  std::optional<std::int32_t> id_of(std::string_view token) const;  // by the token's text in the vocabulary
  bool is_special(std::int32_t id) const;

  // The Jinja template that makes a text of a conversation, as the files have it (chat_template.jinja, the one
  // or the "default" one of tokenizer_config.json, GGUF); empty where they have none, as base models do.
  const std::string& chat_template() const;

  // HF files that load in `tokenizers` / `transformers` and give the same ids. One exception: a GGUF "llama"
  // model in which different pieces have the same score merges those from the left, which a list of merges
  // cannot say.
  std::string to_tokenizer_json() const;
  std::string to_tokenizer_config_json() const;

 private:
  struct Tables;
  explicit Tokenizer(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}
  std::shared_ptr<const Tables> tables_;
};

}  // namespace assay
