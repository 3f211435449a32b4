#include "text/tokenizer.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/bytes.h"
#include "support/testing.h"

namespace assay {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using testing::HasSubstr;

// Three letters, two merges: "ab" before "bc"; </s> special.
Json small_file() {
  return Json::parse(R"({"version":"1.0","truncation":null,"padding":null,
    "added_tokens":[{"id":6,"content":"</s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
    "normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"Fuse"},
    "model":{"type":"BPE","dropout":null,"unk_token":"?","fuse_unk":false,"byte_fallback":false,
      "vocab":{"?":0,"a":1,"b":2,"c":3,"ab":4,"bc":5},"merges":["a b",["b","c"]]}})");
}

Result<Tokenizer> load(const Json& file, const std::string& config = "") {
  return Tokenizer::from_tokenizer_json(as_bytes(file.dump()), as_bytes(config));
}

// A byte-level vocabulary of the printable ASCII characters and Ġ (space), with "he" and "Ġhe" to merge.
GgufVocabulary small_gpt2(const std::string& pre) {
  GgufVocabulary gguf{.model = "gpt2", .pre = pre};
  gguf.tokens = {"<|end|>", "Ġ", "Ċ", "he", "Ġhe", "12"};
  gguf.token_types = {3, 1, 1, 1, 1, 1};
  for (char c = '!'; c <= '~'; ++c) {
    gguf.tokens.push_back(std::string(1, c));
    gguf.token_types.push_back(1);
  }
  gguf.merges = {"h e", "Ġ he", "1 2"};
  gguf.bos_id = gguf.eos_id = 0;
  return gguf;
}

std::int32_t ascii(char c) { return 6 + c - '!'; }

// SentencePiece: unknown, BOS, EOS, the 256 bytes, then pieces with their scores.
GgufVocabulary small_llama(const std::vector<std::pair<std::string, float>>& pieces) {
  GgufVocabulary gguf{.model = "llama"};
  gguf.tokens = {"<unk>", "<s>", "</s>"};
  gguf.token_types = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    gguf.tokens.push_back(name);
    gguf.token_types.push_back(6);
  }
  gguf.scores.assign(gguf.tokens.size(), 0.0f);
  for (const auto& [piece, score] : pieces) {
    gguf.tokens.push_back(piece);
    gguf.token_types.push_back(1);
    gguf.scores.push_back(score);
  }
  return gguf;
}

TEST(Tokenizer, MergesTheBestPairFirstAndKeepsUnknownCharactersApart) {
  const auto tokenizer = load(small_file());
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ(*tokenizer->encode("abc", false), (Ids{4, 3}));
  EXPECT_EQ(*tokenizer->encode("bcab", false), (Ids{5, 4}));
  EXPECT_EQ(*tokenizer->encode("axxb</s>", false), (Ids{1, 0, 0, 2, 6}));
  EXPECT_EQ(*tokenizer->encode("", false), Ids{});
}

TEST(Tokenizer, NamesTheByteWhereTextIsNotUtf8) {
  EXPECT_THAT(load(small_file())->encode("ab\xFF", false),
              FailsWith(ErrorCode::kInvalidArgument, "at byte 2"));
}

TEST(Tokenizer, LeavesSpecialTokensAndUnknownIdsOutOfDecodedText) {
  const auto tokenizer = load(small_file());
  EXPECT_EQ(tokenizer->decode(Ids{4, 6, 3}, true), "abc");
  EXPECT_EQ(tokenizer->decode(Ids{4, 6, -1, 7, 1 << 30, 3}, false), "ab</s>c");
  EXPECT_EQ(tokenizer->token_bytes(-1), "");
  EXPECT_EQ(tokenizer->token_bytes(7), "");
}

TEST(Tokenizer, TakesBosAndEosFromTheConfigAsTransformersDoes) {
  const auto tokenizer =
      load(small_file(), R"({"bos_token":{"content":"</s>"},"eos_token":"</s>","add_bos_token":true})");
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ(*tokenizer->encode("a", true), (Ids{6, 1}));
  EXPECT_EQ(*tokenizer->encode("a", false), (Ids{1}));
  EXPECT_EQ(tokenizer->bos_id(), 6);
  EXPECT_EQ(tokenizer->eos_id(), 6);
  EXPECT_THAT(load(small_file(), R"({"bos_token":"<s>"})"),
              FailsWith(ErrorCode::kCorrupt, "'<s>' is not in the vocabulary"));
}

TEST(Tokenizer, RefusesByNameWhatItDoesNotKnow) {
  const auto refused = [](const char* pointer, const Json& value) {
    Json file = small_file();
    file[Json::json_pointer(pointer)] = value;
    return load(file);
  };
  const auto unsupported = [](const char* what) { return FailsWith(ErrorCode::kUnsupported, what); };
  EXPECT_THAT(refused("/normalizer", {{"type", "Precompiled"}}), unsupported("'Precompiled'"));
  EXPECT_THAT(refused("/pre_tokenizer", {{"type", "BertPreTokenizer"}}), unsupported("'BertPreTokenizer'"));
  EXPECT_THAT(refused("/post_processor", {{"type", "RobertaProcessing"}}),
              unsupported("'RobertaProcessing'"));
  EXPECT_THAT(refused("/decoder", {{"type", "WordPiece"}}), unsupported("'WordPiece'"));
  EXPECT_THAT(refused("/model/type", "Unigram"), unsupported("Unigram"));
  EXPECT_THAT(refused("/model/end_of_word_suffix", "</w>"), unsupported("end_of_word_suffix"));
  EXPECT_THAT(refused("/model/dropout", 0.1), unsupported("dropout"));
  EXPECT_THAT(refused("/version", "2.0"), unsupported("version"));
}

TEST(Tokenizer, RefusesFilesThatContradictThemselves) {
  const auto broken = [](const char* pointer, const Json& value) {
    Json file = small_file();
    file[Json::json_pointer(pointer)] = value;
    return load(file);
  };
  const auto corrupt = [](const char* what) { return FailsWith(ErrorCode::kCorrupt, what); };
  EXPECT_THAT(broken("/model/vocab/c", 2), corrupt("id 2"));
  EXPECT_THAT(broken("/model/vocab/c", -1), corrupt("'c'"));
  EXPECT_THAT(broken("/model/vocab/c", "x"), corrupt("'c'"));
  EXPECT_THAT(broken("/model/vocab/c", 1e9), corrupt("'c'"));
  EXPECT_THAT(broken("/model/vocab/c", 1u << 31), FailsWith(ErrorCode::kResourceLimit, "'c'"));
  EXPECT_THAT(broken("/model/merges/0", "a c"), corrupt("'ac'"));
  EXPECT_THAT(broken("/model/merges/0", "ab"), corrupt("'ab'"));
  EXPECT_THAT(broken("/model/merges/0", 5), corrupt("merge 0"));
  EXPECT_THAT(broken("/model", nullptr), corrupt("model"));
  EXPECT_THAT(broken("/added_tokens/0/id", 9), corrupt("'</s>' has id 9"));
  EXPECT_THAT(broken("/added_tokens/0/special", 1), corrupt("special"));
  EXPECT_THAT(broken("/pre_tokenizer", {{"type", "Split"}}), corrupt("String"));
  EXPECT_THAT(broken("/normalizer", "NFC"), corrupt("expected an object"));
  EXPECT_THAT(broken("/post_processor",
                     Json::parse(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},
      {"Sequence":{"id":"A"}}],"special_tokens":{"x":{"id":"x","ids":[77]}}})")),
              corrupt("77"));
}

TEST(Tokenizer, RefusesWhatIsNotJsonWithTheByte) {
  for (const char* text : {"", "{", "[1,", "nul", "{\"a\":\"\xFF\"}", "{\"a\":\"\\ud800\"}"}) {
    EXPECT_THAT(Tokenizer::from_tokenizer_json(as_bytes(text), {}), FailsWith(ErrorCode::kCorrupt, "at byte"))
        << text;
  }
  EXPECT_THAT(Tokenizer::from_tokenizer_json(as_bytes("[]"), {}), FailsWith(ErrorCode::kCorrupt, "object"));
  EXPECT_THAT(Tokenizer::from_tokenizer_json(as_bytes(std::string(100000, '[')), {}),
              FailsWith(ErrorCode::kCorrupt, "JSON"));
}

TEST(Tokenizer, StreamsTheBytesThatDecodeGives) {
  const auto path = golden("tokenizers/llama3_style.tokenizer.json");
  const auto tokenizer = Tokenizer::from_tokenizer_json(as_bytes(read_bytes(path)), {});
  ASSERT_THAT(tokenizer, IsOk());
  const std::string text = "caf\u00e9 \U0001F600 \u4e2d\n  x";
  const Ids ids = *tokenizer->encode(text, false);
  std::string streamed;
  for (const std::int32_t id : ids) streamed += tokenizer->token_bytes(id);
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(tokenizer->decode(ids, true), text);
}

TEST(Tokenizer, ReadsOptFromVocabAndMergesWithItsConfig) {
  const std::string vocab = R"({"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"h":4,"e":5,"he":6,"Ġ":7})";
  const std::string config =
      R"({"bos_token":"</s>","eos_token":"</s>","unk_token":"</s>","pad_token":"<pad>","add_bos_token":true})";
  const auto tokenizer =
      Tokenizer::from_vocab_and_merges(as_bytes(vocab), as_bytes("#version: 0.2\nh e\n"), as_bytes(config));
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ(*tokenizer->encode("he he", true), (Ids{2, 6, 7, 6}));
  EXPECT_EQ(*tokenizer->encode("he</s>", false), (Ids{6, 2}));
  EXPECT_TRUE(tokenizer->is_special(1));
}

TEST(GgufTokenizer, SplitsByTheNamedPreTokenizer) {
  const auto gpt2 = Tokenizer::from_gguf_vocabulary(small_gpt2("gpt-2"));
  const auto smollm = Tokenizer::from_gguf_vocabulary(small_gpt2("smollm"));
  ASSERT_THAT(gpt2, IsOk());
  ASSERT_THAT(smollm, IsOk());
  EXPECT_EQ(*gpt2->encode("he he12<|end|>\n", true), (Ids{3, 4, 5, 0, 2}));
  EXPECT_EQ(*smollm->encode("he he12", true), (Ids{3, 4, ascii('1'), ascii('2')}));
  EXPECT_EQ(smollm->decode(*smollm->encode("he he12 \n", false), true), "he he12 \n");
}

TEST(GgufTokenizer, ListsTheKnownPreTokenizersWhereOneIsUnknown) {
  const auto tokenizer = Tokenizer::from_gguf_vocabulary(small_gpt2("nonsense"));
  EXPECT_THAT(tokenizer,
              FailsWith(ErrorCode::kUnsupported, "'nonsense' is not supported (known: default, gpt-2"));
  EXPECT_THAT(tokenizer.error().message, HasSubstr("smollm"));
}

TEST(GgufTokenizer, AddsBosAsTheFileOrTheModelSays) {
  GgufVocabulary llama3 = small_gpt2("llama-bpe");
  EXPECT_EQ(*Tokenizer::from_gguf_vocabulary(llama3)->encode("he", true), (Ids{0, 3}));
  llama3.add_bos = false;
  llama3.add_eos = true;
  EXPECT_EQ(*Tokenizer::from_gguf_vocabulary(llama3)->encode("he", true), (Ids{3, 0}));
  llama3.eos_id.reset();
  EXPECT_THAT(Tokenizer::from_gguf_vocabulary(llama3), FailsWith(ErrorCode::kCorrupt, "eos_token_id"));
}

TEST(GgufTokenizer, MergesPiecesByScoreAndFromTheLeftAmongEqualScores) {
  const auto tokenizer = Tokenizer::from_gguf_vocabulary(
      small_llama({{"▁", -9}, {"a", -9}, {"b", -9}, {"ab", -2}, {"ba", -1}, {"aa", -3}, {"▁a", -4}}));
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ(*tokenizer->encode("aba", true), (Ids{1, 265, 263}));     // ▁a, ba
  EXPECT_EQ(*tokenizer->encode("aaa", false), (Ids{259, 264, 260}));  // ▁, aa, a: the left one of two
  EXPECT_EQ(*tokenizer->encode("\u00e9", false), (Ids{259, 3 + 0xC3, 3 + 0xA9}));
  EXPECT_EQ(tokenizer->decode(*tokenizer->encode("ab \u00e9", true), true), "ab \u00e9");
  EXPECT_EQ(tokenizer->bos_id(), 1);
}

TEST(GgufTokenizer, PutsASpaceBeforeTheTextOnlyWhereToldTo) {
  GgufVocabulary gguf = small_llama({{"▁", -9}, {"a", -9}});
  EXPECT_EQ(*Tokenizer::from_gguf_vocabulary(gguf)->encode("a", false), (Ids{259, 260}));
  gguf.add_space_prefix = false;
  const auto bare = Tokenizer::from_gguf_vocabulary(gguf);
  EXPECT_EQ(*bare->encode("a a", false), (Ids{260, 259, 260}));
  EXPECT_EQ(bare->decode(Ids{259, 260}, true), " a");
}

TEST(GgufTokenizer, IsTheSameAfterBeingWrittenForHuggingFace) {
  const std::string text = "he said, 12 + 345? <|end|>\n\n  x<s>";
  for (const GgufVocabulary& gguf :
       {small_gpt2("smollm"), small_gpt2("qwen2"), small_gpt2("llama-bpe"), small_gpt2("default"),
        small_gpt2("gpt-4o"), small_gpt2("tekken"), small_gpt2("deepseek-v3"), small_gpt2("deepseek-coder"),
        small_llama({{"▁", -9}, {"h", -9}, {"e", -9}, {"he", -1}, {"▁he", -2}})}) {
    const auto tokenizer = Tokenizer::from_gguf_vocabulary(gguf);
    ASSERT_THAT(tokenizer, IsOk());
    const auto again = Tokenizer::from_tokenizer_json(as_bytes(tokenizer->to_tokenizer_json()),
                                                      as_bytes(tokenizer->to_tokenizer_config_json()));
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(*again->encode(text, true), *tokenizer->encode(text, true)) << gguf.pre;
    EXPECT_EQ(again->decode(*again->encode(text, true), true),
              tokenizer->decode(*tokenizer->encode(text, true), true));
  }
}

TEST(ChatTemplate, ComesFromEachSourceAndGoesIntoTheConfiguration) {
  GgufVocabulary gguf = small_gpt2("smollm");
  gguf.chat_template = "{{ messages }}";
  const auto from_gguf = Tokenizer::from_gguf_vocabulary(gguf);
  ASSERT_THAT(from_gguf, IsOk());
  EXPECT_EQ(from_gguf->chat_template(), "{{ messages }}");
  const std::string file = from_gguf->to_tokenizer_json(), config = from_gguf->to_tokenizer_config_json();
  const auto template_of = [&](const std::string& config_json, const std::string& jinja) {
    const auto tokenizer = Tokenizer::from_tokenizer_json(as_bytes(file), as_bytes(config_json), jinja);
    EXPECT_THAT(tokenizer, IsOk());
    return tokenizer->chat_template();
  };
  EXPECT_EQ(template_of(config, ""), "{{ messages }}");
  EXPECT_EQ(template_of(config, "{{ other }}"), "{{ other }}");
  EXPECT_EQ(template_of("{}", ""), "");
  EXPECT_EQ(template_of(R"({"chat_template": [{"name": "tools", "template": "a"},
                                              {"name": "default", "template": "b"}]})",
                        ""),
            "b");
  EXPECT_EQ(template_of(R"({"chat_template": 7})", ""), "");
}

TEST(ChatTemplate, ThatIsNotUtf8IsRefused) {
  GgufVocabulary gguf = small_gpt2("smollm");
  gguf.chat_template = "\xff";
  EXPECT_THAT(Tokenizer::from_gguf_vocabulary(gguf),
              FailsWith(ErrorCode::kCorrupt, "tokenizer.chat_template"));
  const std::string file = Tokenizer::from_gguf_vocabulary(small_gpt2("smollm"))->to_tokenizer_json();
  EXPECT_THAT(Tokenizer::from_tokenizer_json(as_bytes(file), {}, "\xff"),
              FailsWith(ErrorCode::kCorrupt, "chat_template.jinja"));
}

TEST(GgufTokenizer, RefusesMetadataThatContradictsItself) {
  const auto changed = [](void (*change)(GgufVocabulary&)) {
    GgufVocabulary gguf = small_llama({{"a", -1}});
    change(gguf);
    return Tokenizer::from_gguf_vocabulary(gguf);
  };
  const auto corrupt = [](const char* what) { return FailsWith(ErrorCode::kCorrupt, what); };
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.scores.pop_back(); }), corrupt("scores"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.scores.back() = NAN; }), corrupt("NaN"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.token_types.pop_back(); }), corrupt("token_type"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.tokens.back() = "<s>"; }), corrupt("'<s>'"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.tokens.back() = "\xFF"; }), corrupt("not UTF-8"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.bos_id = 1000; }), corrupt("bos_token_id: 1000"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.tokens.clear(); }), corrupt("empty"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.model = "bert"; }),
              FailsWith(ErrorCode::kUnsupported, "'bert'"));
  EXPECT_THAT(changed([](GgufVocabulary& g) { g.tokens.back() = std::string(5000, 'a'); }),
              FailsWith(ErrorCode::kResourceLimit, "5000 bytes"));
}

TEST(Tokenizer, GivesTheSameIdsToManyThreads) {
  const auto tokenizer = Tokenizer::from_tokenizer_json(
      as_bytes(read_bytes(golden("tokenizers/qwen2_style.tokenizer.json"))), {});
  ASSERT_THAT(tokenizer, IsOk());
  const std::string text = "The others weren't there in 2024; caf\u00e9 \u4e2d\u6587 and the rest.";
  const Ids expected = *tokenizer->encode(text, false);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += *tokenizer->encode(text, false) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

// Quadratic merging of this piece would take minutes.
TEST(Tokenizer, EncodesAMegabyteWithoutAnyPlaceToCutInSeconds) {
  const auto tokenizer = load(small_file());
  std::string text;
  while (text.size() < (1 << 20)) text += "abcbca";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(tokenizer->encode(text, false), IsOk());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace assay
