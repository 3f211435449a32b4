#include "flow/fold_weights.h"

#include <cmath>

#include "base/rng.h"
#include "engine/load.h"
#include "flow/evaluate_llm.h"
#include "quant/llm/blas.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 9;

class FoldWeights : public testing::TestWithParam<const char*> {
 protected:
  FoldWeights() {
    use_single_threaded_blas();
    gptq_.grid.bits = 2;
    gptq_.grid.sym = false;
    gptq_.group_size = 16;
    Rng rng(kSeed);
    for (int i = 0; i < 8; ++i) {
      auto& ids = calibration_.sequences.emplace_back();
      for (int t = 0; t < 24; ++t) ids.push_back(static_cast<std::int32_t>(rng.below(89)));
    }
  }
  LanguageModel load() const { return *load_model(golden(std::string("families/") + GetParam())); }
  std::vector<float> logits(const LanguageModel& model) const {
    ThreadPool pool(1);
    const auto result = run_logits(model, calibration_.sequences[0], {table_, &pool});
    EXPECT_THAT(result, IsOk());
    return {result->values().begin(), result->values().end()};
  }
  Result<std::vector<BlockFolds>> fold(LanguageModel& model, int threads) {
    ThreadPool pool(threads);
    NoProgress progress;
    return fold_weights(model, calibration_, gptq_, {table_, &pool}, progress);
  }

  GptqOptions gptq_;
  CalibrationSet calibration_;
  const KernelTable* table_ = &select_kernels(detect_cpu_features());
};

TEST_P(FoldWeights, LowersTheErrorOfQuantizationAndKeepsTheFunction) {
  LanguageModel model = load();
  const std::vector<float> before = logits(model);
  const auto folds = fold(model, 2);
  ASSERT_THAT(folds, IsOk());
  double error_before = 0, error_after = 0;
  for (const auto& block : *folds) {
    EXPECT_LE(block.error_after, block.error_before);
    error_before += block.error_before;
    error_after += block.error_after;
  }
  EXPECT_LT(error_after, error_before);
  // The bound of fold_test.cc.
  const std::vector<float> after = logits(model);
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(before[i])));
    difference = std::max(difference, std::abs(static_cast<double>(after[i]) - before[i]));
  }
  EXPECT_LE(difference, std::ldexp(largest, -13));
}

TEST_P(FoldWeights, DoesNotDependOnTheThreads) {
  LanguageModel one = load(), two = load();
  ASSERT_THAT(fold(one, 1), IsOk());
  ASSERT_THAT(fold(two, 2), IsOk());
  EXPECT_EQ(logits(one), logits(two));
}

INSTANTIATE_TEST_SUITE_P(Golden, FoldWeights, testing::Values("llama-gqa", "phi3", "gpt2"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace assay
