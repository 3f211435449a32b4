#include "engine/fold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "engine/load.h"
#include "engine/same_function_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 31;

std::vector<std::int32_t> shuffled(std::int64_t count) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(kSeed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

std::vector<float> random_scales(std::int64_t count) {
  std::vector<float> scales(static_cast<std::size_t>(count));
  Rng rng(kSeed);
  for (auto& scale : scales) scale = static_cast<float>(std::exp(rng.normal()));
  return scales;
}

class EveryFamily : public testing::TestWithParam<const char*> {
 protected:
  SameFunction same_{GetParam()};
  LanguageModel& model_ = same_.model();
  const KernelTable* table_ = same_.kernels().table;

  // Applies `change` to every block.
  template <typename Change>
  void expect_same_function(bool has_place, Change change) {
    same_.expect(has_place, [&](LanguageModel& model) -> Status {
      Status status;
      for (auto& block : model.blocks) status = change(block);
      return status;
    });
  }
};

TEST_P(EveryFamily, ComputesTheSameWithPermutedChannels) {
  expect_same_function(true, [&](Block& block) {
    return permute_mlp(block, model_.config, shuffled(model_.config.intermediate_size), *table_);
  });
}

TEST_P(EveryFamily, ComputesTheSameWithScaledInputsOfAttention) {
  expect_same_function(model_.config.norm_before, [&](Block& block) {
    return scale_attention_inputs(block, model_.config, random_scales(model_.config.hidden_size), *table_);
  });
}

TEST_P(EveryFamily, ComputesTheSameWithScaledInputsOfTheMlp) {
  expect_same_function(model_.config.norm_before, [&](Block& block) {
    return scale_mlp_inputs(block, model_.config, random_scales(model_.config.hidden_size), *table_);
  });
}

TEST_P(EveryFamily, ComputesTheSameWithScaledChannels) {
  const Block& first = model_.blocks[0];
  const bool gated = first.at(Slot::kGate) || first.at(Slot::kGateUp);
  expect_same_function(gated || model_.config.activation == Activation::kRelu, [&](Block& block) {
    return scale_mlp_channels(block, model_.config, random_scales(model_.config.intermediate_size), *table_);
  });
}

TEST_P(EveryFamily, ComputesTheSameWithRotatedValues) {
  const ModelConfig& config = model_.config;
  const bool interleaved =
      config.family->qkv_layout == QkvLayout::kPerHead && model_.blocks[0].at(Slot::kQkv);
  expect_same_function(std::has_single_bit(static_cast<std::uint64_t>(config.head_dim)) && !interleaved,
                       [&](Block& block) { return rotate_values(block, model_.config, *table_); });
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryFamily, testing::ValuesIn(kEveryFamily), family_test_name);

TEST(RotateValues, TwiceIsTheFirstMatrixAgain) {
  LanguageModel model = *load_model(golden("families/llama-gqa"));
  const KernelTable& table = *runnable_kernels({}).front();
  Block& block = model.blocks[0];
  const auto row = [&] {
    std::vector<float> values(static_cast<std::size_t>(block.at(Slot::kO)->weight.cols));
    dequantize_row(table, block.at(Slot::kO)->weight, 3, values);
    return values;
  };
  const auto before = row();
  ASSERT_THAT(rotate_values(block, model.config, table), IsOk());
  EXPECT_NE(row(), before);
  ASSERT_THAT(rotate_values(block, model.config, table), IsOk());
  const auto after = row();
  // Two sums of head_dim values in double, each rounded to float once.
  double norm = 0;
  for (const float value : before) norm = std::max(norm, std::abs(static_cast<double>(value)));
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(after[i], before[i], std::ldexp(norm, -20)) << i;
}

TEST(Fold, RefusesWhatIsNoPermutationAndScalesThatAreNotPositive) {
  LanguageModel model = *load_model(golden("families/llama-gqa"));
  const KernelTable& table = *runnable_kernels({}).front();
  auto order = shuffled(model.config.intermediate_size);
  order[0] = order[1];
  EXPECT_THAT(permute_mlp(model.blocks[0], model.config, order, table),
              FailsWith(ErrorCode::kInvalidArgument, "permutation"));
  auto scale = random_scales(model.config.hidden_size);
  scale[2] = 0;
  EXPECT_THAT(scale_mlp_inputs(model.blocks[0], model.config, scale, table),
              FailsWith(ErrorCode::kInvalidArgument, "positive"));
}

}  // namespace
}  // namespace assay
