#include "flow/self_calibration.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/load.h"
#include "flow/calibration.h"
#include "flow/evaluate_llm.h"
#include "flow/story_openings.h"
#include "support/testing.h"

namespace assay {
namespace {

using Sequences = std::vector<std::vector<std::int32_t>>;

constexpr std::uint64_t kSeed = 5;

// The golden GPT-2 with a vocabulary of single characters and <|endoftext|>; 37 positions.
Tokenizer characters() {
  nlohmann::json vocabulary;
  for (int id = 0; id < 88; ++id) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  vocabulary["<|endoftext|>"] = 88;
  auto tokenizer =
      Tokenizer::from_vocab_and_merges(as_bytes(vocabulary.dump()), as_bytes(std::string("#version: 0.2\n")));
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

// The same, with two of the characters replaced by the marks of a conversation.
Tokenizer characters_and_marks() {
  nlohmann::json file = nlohmann::json::parse(characters().to_tokenizer_json());
  auto& vocabulary = file["model"]["vocab"];
  for (const auto& [id, mark] : {std::pair(86, "<|im_start|>"), std::pair(87, "<|im_end|>")}) {
    vocabulary.erase(std::string(1, static_cast<char>('!' + id)));
    vocabulary[mark] = id;
    file["added_tokens"].push_back({{"id", id},
                                    {"content", mark},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  }
  auto tokenizer = Tokenizer::from_tokenizer_json(as_bytes(file.dump()), {}, "<|im_start|>");
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

class SelfCalibration : public testing::Test {
 protected:
  Sequences sample(const SelfCalibrationOptions& options, std::int64_t first, std::int64_t count,
                   int threads = 2) {
    ThreadPool pool(threads);
    auto result = sample_sequences(model_, tokenizer_, options, first, count, {table_, &pool}, progress_);
    EXPECT_THAT(result, IsOk());
    return *std::move(result);
  }
  Result<SelfCalibrationRun> write(const SelfCalibrationOptions& options, const std::string& name,
                                   const std::string& model_name = "tiny") {
    ThreadPool pool(2);
    return write_self_calibration(model_, tokenizer_, model_name, options, folder_ / name, {table_, &pool},
                                  progress_);
  }

  LanguageModel model_ = *load_model(golden("families/gpt2"));
  Tokenizer tokenizer_ = characters();
  const KernelTable* table_ = &select_kernels(detect_cpu_features());
  NoProgress progress_;
  TempDir folder_;
};

TEST_F(SelfCalibration, ASequenceDependsNeitherOnItsBatchNorOnTheThreads) {
  const SelfCalibrationOptions options{.sequences = 5, .sequence_length = 20, .stories = 0, .seed = kSeed};
  const auto all = sample(options, 0, 5);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(sample(options, 0, 5, 1), all);
  EXPECT_EQ(sample(options, 1, 1), Sequences{all[1]});
  EXPECT_EQ(sample(options, 3, 2), (Sequences{all[3], all[4]}));
}

TEST_F(SelfCalibration, EverySequenceAndEverySeedIsAnotherText) {
  const SelfCalibrationOptions options{.sequences = 8, .sequence_length = 20, .stories = 0, .seed = kSeed};
  auto all = sample(options, 0, 8);
  for (auto& other : sample({.sequences = 8, .sequence_length = 20, .stories = 0, .seed = kSeed + 1}, 0, 8))
    all.push_back(std::move(other));
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST_F(SelfCalibration, ATextBeginsWithATokenThatIsNotSpecialAndTheFourMostLikelyAfterIt) {
  // So hot that texts end by themselves every now and then, and the next begins.
  const SelfCalibrationOptions options{
      .sequences = 16, .sequence_length = 36, .temperature = 30, .stories = 0, .seed = kSeed};
  ThreadPool pool(2);
  int begun_within = 0, drawn = 0, drawn_most_likely = 0;
  for (const auto& ids : sample(options, 0, 16)) {
    ASSERT_EQ(ids.size(), 36u);
    for (std::size_t begin = 0; begin < ids.size();) {
      const auto end = std::find(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), 88);
      const std::vector<std::int32_t> text(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                           end == ids.end() ? end : end + 1);
      begun_within += begin > 0;
      begin += text.size();
      EXPECT_NE(text[0], 88) << "seed " << kSeed;
      const auto logits = run_logits(model_, text, {table_, &pool});
      ASSERT_THAT(logits, IsOk());
      for (std::size_t place = 1; place < text.size(); ++place) {
        const float* row = logits->row(static_cast<std::int64_t>(place) - 1);
        const bool most_likely = std::max_element(row, row + logits->cols()) - row == text[place];
        if (place <= 4) {
          EXPECT_TRUE(most_likely) << "token " << place << ", seed " << kSeed;
        } else {
          ++drawn;
          drawn_most_likely += most_likely;
        }
      }
    }
  }
  EXPECT_GT(begun_within, 0);
  EXPECT_LT(drawn_most_likely, drawn / 4);
}

// How many of 64 texts begin with the opening of a story. Without spaces in its vocabulary the tokenizer
// gives the letters of an opening alone.
int count_openings(const Sequences& sequences, const Tokenizer& tokenizer) {
  return static_cast<int>(std::ranges::count_if(sequences, [&](const auto& ids) {
    const std::string text = tokenizer.decode(ids, false);
    const char* const beginnings[] = {"Zoe", "Adam", "They", "Tess", "We", "She", "He", "\""};
    return std::ranges::any_of(beginnings, [&](const char* word) { return text.starts_with(word); });
  }));
}

TEST_F(SelfCalibration, TheShareOfStoriesBeginsWithAnOpening) {
  const auto half = sample({.sequences = 64, .sequence_length = 12, .stories = 0.5, .seed = kSeed}, 0, 64);
  EXPECT_GE(count_openings(half, tokenizer_), 12) << "seed " << kSeed;
  EXPECT_LE(count_openings(half, tokenizer_), 40) << "seed " << kSeed;
}

TEST_F(SelfCalibration, AnswersToRequestsAreWrittenWithoutTheirRequestsWhereTheContextHoldsBoth) {
  model_ = *load_model(golden("families/llama-gqa"));
  tokenizer_ = characters_and_marks();
  const auto count = [&](double answers) {
    const auto texts = sample(
        {.sequences = 64, .sequence_length = 12, .stories = 1, .answers = answers, .seed = kSeed}, 0, 64);
    EXPECT_LE(std::ranges::count_if(texts, [](const auto& ids) { return ids[0] == 86; }), 4)
        << "beginnings with a mark, seed " << kSeed;
    EXPECT_TRUE(std::ranges::all_of(texts, [](const auto& ids) { return ids.size() == 12; }));
    return count_openings(texts, tokenizer_);
  };
  model_.config.max_positions = 400;
  const int openings = count(0);
  EXPECT_LE(count(1), openings / 4);
  const int half = count(0.5);
  EXPECT_GE(half, openings / 4);
  EXPECT_LE(half, openings * 3 / 4);
  model_.config.max_positions = 40;  // shorter than every request
  EXPECT_GE(count(1), openings / 2);
}

TEST_F(SelfCalibration, AnAnswerDependsNeitherOnItsBatchNorOnTheThreads) {
  model_ = *load_model(golden("families/llama-gqa"));
  model_.config.max_positions = 400;
  tokenizer_ = characters_and_marks();
  const SelfCalibrationOptions options{.sequences = 5, .sequence_length = 20, .stories = 1, .seed = kSeed};
  const auto all = sample(options, 0, 5);
  EXPECT_EQ(sample(options, 0, 5, 1), all);
  for (std::int64_t i = 0; i < 5; ++i)
    EXPECT_EQ(sample(options, i, 1), Sequences{all[static_cast<std::size_t>(i)]}) << i;
}

using Draw = std::string (*)(Rng&);
class StorySentence : public testing::TestWithParam<Draw> {};

TEST_P(StorySentence, IsRightAndTheSeedDecidesIt) {
  Rng first(kSeed), same(kSeed);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string sentence = GetParam()(first);
    EXPECT_EQ(sentence, GetParam()(same));
    EXPECT_TRUE(sentence.ends_with('.')) << sentence;
    EXPECT_EQ(sentence.find("  "), std::string::npos) << sentence;
    seen.insert(sentence);
  }
  EXPECT_GT(seen.size(), 150u) << "seed " << kSeed;
}
INSTANTIATE_TEST_SUITE_P(OpeningAndRequest, StorySentence,
                         testing::Values(draw_story_opening, draw_story_request));

TEST_F(SelfCalibration, GoesOnWhereAnEarlierCallStoppedToTheSameFile) {
  const SelfCalibrationOptions options{.sequences = 66, .sequence_length = 6, .stories = 0, .seed = kSeed};
  ASSERT_THAT(write(options, "whole.json"), IsOk());
  SelfCalibrationOptions part = options;
  part.sequences = 64;
  ASSERT_THAT(write(part, "part.json"), IsOk());
  std::filesystem::rename(folder_ / "part.json", folder_ / "resumed.json.partial");
  const auto resumed = write(options, "resumed.json");
  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(resumed->computed, 2 * 6);
  EXPECT_EQ(read_bytes(folder_ / "resumed.json"), read_bytes(folder_ / "whole.json"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "resumed.json.partial"));
}

TEST_F(SelfCalibration, GoesOnFromAFileThatHoldsFewerSequencesWhateverTheModelWasCalled) {
  SelfCalibrationOptions options{.sequences = 5, .sequence_length = 6, .stories = 0, .seed = kSeed};
  ASSERT_THAT(write(options, "whole.json"), IsOk());
  options.sequences = 3;
  ASSERT_THAT(write(options, "part.json", "another name"), IsOk());
  options.sequences = 5;
  const auto more = write(options, "part.json");
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->computed, 2 * 6);
  EXPECT_EQ(read_bytes(folder_ / "part.json"), read_bytes(folder_ / "whole.json"));
}

TEST_F(SelfCalibration, LeavesAFileThatHoldsMoreSequencesAsItIs) {
  SelfCalibrationOptions options{.sequences = 5, .sequence_length = 6, .stories = 0, .seed = kSeed};
  ASSERT_THAT(write(options, "a.json"), IsOk());
  const std::string before = read_bytes(folder_ / "a.json");
  options.sequences = 3;
  const auto again = write(options, "a.json");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->computed, 0);
  EXPECT_EQ(again->tokens, 5 * 6);
  EXPECT_EQ(read_bytes(folder_ / "a.json"), before);
}

TEST_F(SelfCalibration, NeitherGoesOnFromOtherSettingsNorOverwritesThem) {
  SelfCalibrationOptions options{.sequences = 2, .sequence_length = 6, .stories = 0, .seed = kSeed};
  ASSERT_THAT(write(options, "a.json"), IsOk());
  const std::string before = read_bytes(folder_ / "a.json");
  std::filesystem::copy(folder_ / "a.json", folder_ / "b.json.partial");
  options.seed = kSeed + 1;
  EXPECT_THAT(write(options, "a.json"),
              FailsWith(ErrorCode::kInvalidArgument, "a.json: a file of other settings"));
  EXPECT_THAT(write(options, "b.json"),
              FailsWith(ErrorCode::kInvalidArgument, "b.json.partial: a file of other"));
  EXPECT_EQ(read_bytes(folder_ / "a.json"), before);
}

TEST_F(SelfCalibration, WritesWhatCalibrationReads) {
  const SelfCalibrationOptions options{.sequences = 3, .sequence_length = 9, .stories = 0, .seed = kSeed};
  ASSERT_THAT(write(options, "ids.json"), IsOk());
  const std::string file = read_bytes(folder_ / "ids.json");
  const auto set = parse_calibration(as_bytes(file), "ids.json", tokenizer_, model_.config.vocab_size, {});
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->sequences, sample(options, 0, 3));
  EXPECT_EQ(nlohmann::json::parse(file)["texts"][2], tokenizer_.decode(set->sequences[2], false));
}

TEST_F(SelfCalibration, RefusesSequencesBeyondTheContext) {
  EXPECT_THAT(write({.sequences = 1, .sequence_length = 38}, "x.json"),
              FailsWith(ErrorCode::kInvalidArgument, "context of 37"));
  EXPECT_THAT(write({.sequences = 0, .sequence_length = 8}, "x.json"),
              FailsWith(ErrorCode::kInvalidArgument, "at least one sequence"));
}

}  // namespace
}  // namespace assay
