// The ids, and the text from ids, that Hugging Face `tokenizers` gives; see
// tests/goldens/tokenizers/PROVENANCE.md.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "support/testing.h"
#include "text/tokenizer.h"

namespace assay {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

Json golden_json(const std::string& name) { return Json::parse(read_bytes(golden("tokenizers/" + name))); }

Result<Tokenizer> from_files(const std::string& json, const std::string& config = "") {
  return Tokenizer::from_tokenizer_json(as_bytes(json), as_bytes(config));
}

// A tokenizer by the name of its goldens; the small ones lie beside them, the real ones in the shared data.
std::optional<Result<Tokenizer>> load(const std::string& name) {
  const auto own = golden("tokenizers/" + name + ".tokenizer.json");
  if (std::filesystem::exists(own)) return from_files(read_bytes(own));
  const auto folder = shared_data("tokenizers/" + name);
  if (!folder.has_value()) return std::nullopt;
  if (!std::filesystem::exists(*folder / "tokenizer.json")) {
    return Tokenizer::from_vocab_and_merges(as_bytes(read_bytes(*folder / "vocab.json")),
                                            as_bytes(read_bytes(*folder / "merges.txt")));
  }
  const auto config = *folder / "tokenizer_config.json";
  return from_files(read_bytes(*folder / "tokenizer.json"),
                    std::filesystem::exists(config) ? read_bytes(config) : std::string());
}

void expect_golden(const Tokenizer& tokenizer, const std::string& name) {
  const Json texts = golden_json("texts.json"), expected = golden_json(name + ".golden.json");
  ASSERT_EQ(texts.size(), expected["ids"].size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto ids = tokenizer.encode(text, false);
    ASSERT_THAT(ids, IsOk()) << texts[i];
    EXPECT_EQ(*ids, expected["ids"][i].get<Ids>()) << name << " text " << i << ": " << texts[i];
    const Json& decoded = expected["decoded"][i];
    EXPECT_EQ(tokenizer.decode(expected["ids"][i].get<Ids>(), true),
              decoded.is_null() ? text : decoded.get<std::string>())
        << name << " text " << i << ": " << texts[i];
  }
  Ids with_special = expected["before"].get<Ids>();
  const Ids bare = *tokenizer.encode("x", false), after = expected["after"].get<Ids>();
  with_special.insert(with_special.end(), bare.begin(), bare.end());
  with_special.insert(with_special.end(), after.begin(), after.end());
  EXPECT_EQ(*tokenizer.encode("x", true), with_special);
}

void fnv1a(std::int32_t value, std::uint64_t* state) {
  for (int shift = 0; shift < 32; shift += 8) {
    *state = (*state ^ (static_cast<std::uint32_t>(value) >> shift & 0xFF)) * 0x100000001B3u;
  }
}

void expect_lambada_golden(const Tokenizer& tokenizer, const std::string& name) {
  const auto file = shared_data("lambada/lambada_test.jsonl");
  if (!file.has_value()) GTEST_SKIP() << "LAMBADA is not on this machine";
  const Json expected = golden_json("lambada.json")[name];
  std::ifstream in(*file);
  std::uint64_t state = 0xCBF29CE484222325u, tokens = 0, lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const auto ids = tokenizer.encode(Json::parse(line)["text"].get<std::string>(), false);
    ASSERT_THAT(ids, IsOk());
    fnv1a(static_cast<std::int32_t>(ids->size()), &state);
    for (const std::int32_t id : *ids) fnv1a(id, &state);
    tokens += ids->size();
  }
  char hash[17];
  std::snprintf(hash, sizeof(hash), "%016llx", static_cast<unsigned long long>(state));
  EXPECT_EQ(lines, expected["lines"].get<std::uint64_t>());
  EXPECT_EQ(tokens, expected["tokens"].get<std::uint64_t>());
  EXPECT_EQ(std::string(hash), expected["fnv1a64"].get<std::string>());
}

class TokenizerGolden : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, GivesTheIdsAndTextsOfHuggingFaceForHostileTexts) {
  const auto tokenizer = load(GetParam());
  if (!tokenizer.has_value()) GTEST_SKIP() << GetParam() << " is not on this machine";
  ASSERT_THAT(*tokenizer, IsOk());
  expect_golden(**tokenizer, GetParam());
}

TEST_P(TokenizerGolden, GivesTheIdsOfHuggingFaceForAllOfLambada) {
  const auto tokenizer = load(GetParam());
  if (!tokenizer.has_value()) GTEST_SKIP() << GetParam() << " is not on this machine";
  ASSERT_THAT(*tokenizer, IsOk());
  expect_lambada_golden(**tokenizer, GetParam());
}

TEST_P(TokenizerGolden, GivesTheSameIdsAfterBeingWrittenAndReadAgain) {
  const auto tokenizer = load(GetParam());
  if (!tokenizer.has_value()) GTEST_SKIP() << GetParam() << " is not on this machine";
  ASSERT_THAT(*tokenizer, IsOk());
  const auto again = from_files((*tokenizer)->to_tokenizer_json(), (*tokenizer)->to_tokenizer_config_json());
  ASSERT_THAT(again, IsOk());
  expect_golden(*again, GetParam());
  EXPECT_EQ(again->vocabulary_size(), (*tokenizer)->vocabulary_size());
  EXPECT_EQ(again->bos_id(), (*tokenizer)->bos_id());
  EXPECT_EQ(again->eos_id(), (*tokenizer)->eos_id());
}

std::string name_of(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden,
                         testing::Values("gpt2", "llama2", "gpt-neox-20b", "llama3_style", "qwen2_style",
                                         "gpt4o_style", "gemma_style", "metaspace_style", "folding_style"),
                         name_of);

// Llama 2's pieces with the scores of its SentencePiece model: 259 minus the id, and -1e9 for runs of spaces.
GgufVocabulary llama2_pieces(const std::filesystem::path& tokenizer_json) {
  const Json file = Json::parse(read_bytes(tokenizer_json));
  GgufVocabulary gguf{.model = "llama"};
  gguf.tokens.resize(file["model"]["vocab"].size());
  for (const auto& [token, id] : file["model"]["vocab"].items()) gguf.tokens[id.get<std::size_t>()] = token;
  for (std::size_t id = 0; id < gguf.tokens.size(); ++id) {
    const std::string& token = gguf.tokens[id];
    bool spaces = token.size() > 3;
    for (std::size_t at = 0; at < token.size(); at += 3)
      spaces = spaces && token.substr(at, 3) == "\xE2\x96\x81";
    gguf.scores.push_back(id < 259 ? 0.0f : spaces ? -1e9f : 259.0f - static_cast<float>(id));
    gguf.token_types.push_back(id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
  }
  return gguf;
}

TEST(GgufGolden, MergingByScoreGivesTheIdsOfMergingByRank) {
  const auto path = shared_data("tokenizers/llama2/tokenizer.json");
  if (!path.has_value()) GTEST_SKIP() << "llama2 is not on this machine";
  const auto tokenizer = Tokenizer::from_gguf_vocabulary(llama2_pieces(*path));
  ASSERT_THAT(tokenizer, IsOk());
  expect_lambada_golden(*tokenizer, "llama2");
  const Json texts = golden_json("texts.json"), expected = golden_json("llama2.golden.json");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    // The tokenizer.json looks for these in the normalized text only, llama.cpp everywhere.
    if (text.find("<s>") != text.npos || text.find("</s>") != text.npos || text.find("<unk>") != text.npos)
      continue;
    EXPECT_EQ(*tokenizer->encode(text, false), expected["ids"][i].get<Ids>()) << texts[i];
  }
}

}  // namespace
}  // namespace assay
