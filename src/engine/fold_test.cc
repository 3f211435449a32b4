#include "engine/fold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "engine/forward.h"
#include "engine/load.h"
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

// Families in which every change, or none, has its place; fused and separate, with biases and without, gated
// and not.
class EveryFamily : public testing::TestWithParam<const char*> {
 protected:
  LanguageModel model_ = *load_model(golden(std::string("families/") + GetParam()));
  ThreadPool pool_{1};
  const KernelTable* table_ = runnable_kernels({}).front();

  std::vector<float> logits() {
    std::vector<std::int32_t> tokens;
    for (std::int32_t t = 0; t < 20; ++t)
      tokens.push_back((t * 37 + 5) % static_cast<std::int32_t>(model_.config.vocab_size));
    const SequenceRows rows{0, 20, nullptr};
    Forward forward(model_, {table_, &pool_});
    const Matrix<float> logits = forward.logits(forward.hidden_states(tokens, {&rows, 1})->view());
    return {logits.values().begin(), logits.values().end()};
  }

  // Applies `change` to every block. Where it has a place, weights must have changed, and the logits not but
  // for rounding: weights and activations differ by a few units of 2^-24 each, which the narrow layers here
  // carry on to the logits with factors near one, so 2^-13 of the largest logit leaves an order of magnitude;
  // logits of another function differ by about their own size.
  template <typename Change>
  void expect_same_function(bool has_place, Change change) {
    const std::vector<float> before = logits();
    for (auto& block : model_.blocks) {
      const Status status = change(block);
      if (has_place) {
        ASSERT_THAT(status, IsOk());
      } else {
        EXPECT_THAT(status, FailsWith(ErrorCode::kUnsupported, ""));
      }
    }
    const std::vector<float> after = logits();
    if (!has_place) {
      EXPECT_EQ(after, before);
      return;
    }
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(before[i])));
      difference = std::max(difference, std::abs(static_cast<double>(after[i]) - before[i]));
    }
    EXPECT_LE(difference, std::ldexp(largest, -13));
    EXPECT_GT(difference, 0) << "nothing was changed";
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

INSTANTIATE_TEST_SUITE_P(Golden, EveryFamily,
                         testing::Values("llama-gqa", "llama-bias", "qwen2", "qwen3", "phi3", "gemma2",
                                         "gemma3", "gpt2", "opt", "opt-post-norm", "gpt-neox",
                                         "gpt-neox-sequential"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

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
