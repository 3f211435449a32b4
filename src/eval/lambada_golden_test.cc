// The whole way from a file to the record, beside lm-evaluation-harness (tests/goldens/eval/PROVENANCE.md).
#include <nlohmann/json.hpp>

#include "eval/closeness_testing.h"
#include "eval/cloze_data.h"
#include "eval/lambada.h"
#include "eval/token_split.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

using nlohmann::json;

constexpr int kVocabulary = 8;
// Both sides sum 8 exponentials in double and take one log per token, at most 10 tokens per example, and then
// sum 313 values: below 400 roundings of 2^-53 each way; exp turns the error of the mean, of magnitude 5,
// into a relative one.
constexpr double kBothRoundings = 2 * 5 * 400 * 0x1p-53;

const json& lambada_golden() {
  static const json golden_json = json::parse(read_bytes(golden("eval/lambada.json")));
  return golden_json;
}

// The toy tokenizer and logits of tools/make_eval_goldens.py.
EncodeText toy_tokenizer(bool adds_bos) {
  return [adds_bos](std::string_view text, bool add_special_tokens) -> Result<std::vector<std::int32_t>> {
    std::vector<std::int32_t> tokens;
    if (adds_bos && add_special_tokens) tokens.push_back(lambada_golden()["bos"]);
    for (std::size_t i = 0; i < text.size(); i += 2) {
      const int first = static_cast<unsigned char>(text[i]);
      const int second = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
      tokens.push_back((first * 5 + second * 31) % (kVocabulary - 1));
    }
    return tokens;
  };
}

std::vector<float> toy_logits(std::int32_t token, std::size_t position) {
  std::vector<float> logits;
  for (int v = 0; v < kVocabulary; ++v) {
    logits.push_back(
        static_cast<float>((token * 31 + static_cast<int>(position) * 7 + v * 13 + token * v * v * 5) % 24) /
        16);
  }
  return logits;
}

ExampleScore score(const ScoredTokens& scored) {
  ExampleScore example{{}, scored.truncated};
  for (std::size_t i = 0; i < scored.targets.size(); ++i) {
    const std::size_t position = static_cast<std::size_t>(scored.first_scored) + i;
    example.tokens.push_back(*score_token(toy_logits(scored.input[position], position), scored.targets[i]));
  }
  return example;
}

std::vector<ScoredTokens> split_all(const json& model) {
  const auto examples = parse_cloze_examples(as_bytes(read_bytes(golden("eval/passages.jsonl"))));
  const SplitOptions options{lambada_golden()["max_length"], lambada_golden()["bos"]};
  std::vector<ScoredTokens> all;
  for (const ClozeExample& example : *examples) {
    all.push_back(*split_context_and_target(example.context, example.target, toy_tokenizer(model["adds_bos"]),
                                            options));
  }
  return all;
}

TEST(LambadaGolden, SplitsPassagesAsTheTaskTemplateDoes) {
  const std::string file = read_bytes(golden("eval/passages.jsonl"));
  const auto examples = parse_cloze_examples(as_bytes(file));
  ASSERT_THAT(examples, IsOk());
  const json& expected = lambada_golden()["split"];
  ASSERT_EQ(examples->size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ((*examples)[i].context, expected[i]["context"]);
    EXPECT_EQ((*examples)[i].target, expected[i]["target"]);
  }
}

TEST(LambadaGolden, FeedsAndScoresTheTokensThatTheHarnessDoes) {
  for (const json& model : lambada_golden()["models"]) {
    const auto all = split_all(model);
    ASSERT_EQ(all.size(), model["examples"].size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const json& expected = model["examples"][i];
      EXPECT_EQ(all[i].input, expected["input"].get<std::vector<std::int32_t>>()) << i;
      EXPECT_EQ(all[i].targets, expected["targets"].get<std::vector<std::int32_t>>()) << i;
      EXPECT_EQ(all[i].truncated, expected["truncated"]) << i;
    }
  }
}

TEST(LambadaGolden, ScoresEveryExampleAsTheHarnessDoes) {
  for (const json& model : lambada_golden()["models"]) {
    const auto all = split_all(model);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const json& expected = model["examples"][i];
      const ExampleScore example = score(all[i]);
      EXPECT_EQ(is_correct(example), expected["greedy"]) << i;
      double log_likelihood = 0;
      for (std::size_t t = 0; t < example.tokens.size(); ++t) {
        log_likelihood += example.tokens[t].log_prob;
        EXPECT_EQ(example.tokens[t].rank, expected["ranks"][t]) << i;
      }
      EXPECT_THAT(log_likelihood, IsRelativelyClose(expected["log_likelihood"].get<double>(), kBothRoundings))
          << i;
    }
  }
}

TEST(LambadaGolden, AggregatesAsTheHarnessDoes) {
  const auto top_k = lambada_golden()["top_k"].get<std::vector<int>>();
  for (const json& model : lambada_golden()["models"]) {
    std::vector<ExampleScore> examples;
    for (const ScoredTokens& scored : split_all(model)) examples.push_back(score(scored));
    const auto record = evaluate_lambada(examples, top_k);
    ASSERT_THAT(record, IsOk());
    const json& expected = model["record"];
    const auto close = [](const json& value) {
      return IsRelativelyClose(value.get<double>(), kBothRoundings);
    };
    EXPECT_EQ(record->accuracy, expected["accuracy"]);
    EXPECT_THAT(*record->accuracy_stderr, close(expected["accuracy_stderr"]));
    EXPECT_THAT(record->perplexity, close(expected["perplexity"]));
    for (const int k : top_k) {
      const std::string key = std::to_string(k);
      EXPECT_EQ(record->top_k.at(k), expected["top_k"][key]);
      EXPECT_THAT(*record->top_k_stderr.at(k), close(expected["top_k_stderr"][key]));
      EXPECT_EQ(record->first_token_top_k.at(k), expected["first_token_top_k"][key]);
    }
    EXPECT_EQ(record->top_k.at(1), record->accuracy);
    EXPECT_EQ(record->tokens, expected["tokens"]);
    EXPECT_EQ(record->near_ties, expected["near_ties"]);
    EXPECT_EQ(record->truncated, expected["truncated"]);
  }
}

TEST(LambadaGolden, EstimatesTheErrorOfPerplexityAsTheBootstrapDoes) {
  const auto top_k = std::vector<int>{1};
  for (const json& model : lambada_golden()["models"]) {
    std::vector<ExampleScore> examples;
    for (const ScoredTokens& scored : split_all(model)) examples.push_back(score(scored));
    const auto record = evaluate_lambada(examples, top_k);
    const double s = *record->perplexity_stderr / record->perplexity;
    const double bootstrap = model["record"]["perplexity_bootstrap_stderr"];
    // The bootstrap of 10000 draws is off by 1 / sqrt(2 * 10000) = 0.7 % (1 sigma), uses n for n - 1 (0.2 %),
    // and sees the curvature of exp that the delta method leaves out: for a normal mean a factor of 1 + 5/4
    // s^2 (s = 0.14).
    const double band = 4 * 0.007 + 0.002 + 2 * 1.25 * s * s;
    EXPECT_THAT(*record->perplexity_stderr, IsRelativelyClose(bootstrap, band));
  }
}

}  // namespace
}  // namespace assay::eval
