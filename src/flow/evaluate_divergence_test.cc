#include "flow/evaluate_divergence.h"

#include <nlohmann/json.hpp>

#include "engine/load.h"
#include "flow/evaluate_llm.h"
#include "support/testing.h"

namespace assay {
namespace {

// 101 tokens, as the golden Llamas know; <s> is put before a text where `adds_bos`.
Tokenizer characters(bool adds_bos) {
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<s>", "</s>"};
  vocabulary.token_types = {2, 3, 3};
  while (vocabulary.tokens.size() < 101) {
    vocabulary.tokens.push_back("t" + std::to_string(vocabulary.tokens.size()));
    vocabulary.token_types.push_back(1);
  }
  vocabulary.scores.assign(101, 0.0f);
  vocabulary.bos_id = 1;
  vocabulary.eos_id = 2;
  vocabulary.unk_id = 0;
  vocabulary.add_bos = adds_bos;
  auto tokenizer = Tokenizer::from_gguf_vocabulary(std::move(vocabulary));
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

class RunDivergence : public testing::Test {
 protected:
  Result<DivergenceRun> run(const LanguageModel& model,
                            const std::vector<std::vector<std::int32_t>>& sequences, bool adds_bos = false,
                            int threads = 2) {
    ThreadPool pool(threads);
    NoProgress progress;
    return run_divergence(reference_, model, characters(adds_bos), sequences, {table_, &pool}, progress);
  }

  LanguageModel reference_ = *load_model(golden("families/llama-gqa"));
  LanguageModel model_ = *load_model(golden("families/llama-mha"));
  const KernelTable* table_ = &select_kernels(detect_cpu_features());
  const std::vector<std::vector<std::int32_t>> sequences_{{5, 9, 77, 30, 4}, {8, 8, 20}};
};

TEST_F(RunDivergence, ComparesTheLogitsOfBothModelsAtEveryTokenButTheFirst) {
  const auto result = run(model_, sequences_);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->record.positions, 6);
  ThreadPool pool(1);
  for (std::size_t s = 0; s < sequences_.size(); ++s) {
    const auto& ids = sequences_[s];
    const auto expected = run_logits(reference_, ids, {table_, &pool}),
               logits = run_logits(model_, ids, {table_, &pool});
    ASSERT_EQ(result->texts[s].size(), ids.size() - 1);
    for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
      const auto row = [&](const Matrix<float>& matrix) {
        return std::span(matrix.row(static_cast<std::int64_t>(t)), 101);
      };
      const auto position = eval::compare_position(row(*expected), row(*logits), ids[t + 1]);
      EXPECT_EQ(result->texts[s][t].kl, position->kl) << s << " " << t;
      EXPECT_EQ(result->texts[s][t].log_prob, position->log_prob) << s << " " << t;
    }
  }
}

TEST_F(RunDivergence, FindsNoneBetweenAModelAndItself) {
  const auto result = run(reference_, sequences_);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->record.kl_max, 0);
  EXPECT_EQ(result->record.same_top, 1);
}

TEST_F(RunDivergence, DoesNotDependOnTheThreads) {
  EXPECT_EQ(run(model_, sequences_, false, 1)->record.kl_mean,
            run(model_, sequences_, false, 3)->record.kl_mean);
}

TEST_F(RunDivergence, PutsTheTokenizersTokensBeforeATextThatDoesNotBeginWithThem) {
  const auto without = run(model_, {{1, 9, 77}}, false), added = run(model_, {{9, 77}}, true),
             there = run(model_, {{1, 9, 77}}, true);
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(added->record.positions, 2);
  EXPECT_EQ(added->record.kl_mean, without->record.kl_mean);
  EXPECT_EQ(there->record.kl_mean, without->record.kl_mean);
}

TEST_F(RunDivergence, RefusesModelsThatHaveNothingInCommon) {
  const LanguageModel other = *load_model(golden("gptq/llama-int4-g32-sym"));
  EXPECT_THAT(run(other, sequences_), FailsWith(ErrorCode::kInvalidArgument, "made from this reference"));
  EXPECT_THAT(run(model_, {}), FailsWith(ErrorCode::kInvalidArgument, "no sequences"));
  EXPECT_THAT(run(model_, {{4, 5}, {4}}), FailsWith(ErrorCode::kInvalidArgument, "sequence 2"));
}

}  // namespace
}  // namespace assay
