#include "quant/llm/allocate_bits.h"

#include <algorithm>
#include <limits>

#include "base/rng.h"
#include "support/testing.h"

namespace assay {
namespace {

using Layers = std::vector<std::vector<BitChoice>>;

struct Total {
  std::uint64_t storage_bits = 0;
  double cost = 0;
};
Total total(const Layers& layers, const std::vector<std::size_t>& choices) {
  Total sum;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    sum.storage_bits += layers[i][choices[i]].storage_bits;
    sum.cost += layers[i][choices[i]].cost;
  }
  return sum;
}

// The least cost of all combinations that fit.
double least_cost(const Layers& layers, std::uint64_t budget) {
  std::vector<std::size_t> choices(layers.size(), 0);
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    const Total sum = total(layers, choices);
    if (sum.storage_bits <= budget) least = std::min(least, sum.cost);
    std::size_t i = 0;
    while (i < layers.size() && ++choices[i] == layers[i].size()) choices[i++] = 0;
    if (i == layers.size()) return least;
  }
}

Layers random_layers(Rng& rng, std::uint64_t unit) {
  Layers layers(5);
  for (auto& choices : layers) {
    choices.resize(1 + rng.below(4));
    for (auto& choice : choices) choice = {2, 64, unit * (1 + rng.below(30)), rng.uniform()};
  }
  return layers;
}

TEST(AllocateBits, FindsTheLeastCostOfAllCombinationsThatFit) {
  constexpr std::uint64_t kSeed = 21;
  Rng rng(kSeed);
  int compared = 0;
  for (int i = 0; i < 60; ++i) {
    const Layers layers = random_layers(rng, 17);
    const std::uint64_t budget = 17 * (20 + rng.below(100));
    const auto choices = allocate_bits(layers, budget);
    if (!choices) continue;
    const Total sum = total(layers, *choices);
    EXPECT_LE(sum.storage_bits, budget) << "seed " << kSeed << ", case " << i;
    EXPECT_DOUBLE_EQ(sum.cost, least_cost(layers, budget)) << "seed " << kSeed << ", case " << i;
    ++compared;
  }
  EXPECT_GT(compared, 30);
}

TEST(AllocateBits, StaysWithinABudgetOfMoreUnitsThanItCanCount) {
  // Sizes without a common divisor, 2^18 times as large as a unit may be.
  constexpr std::uint64_t kSeed = 22, kLarge = std::uint64_t{1} << 40;
  Rng rng(kSeed);
  Layers layers(40);
  std::uint64_t smallest = 0;
  for (auto& choices : layers) {
    const std::uint64_t size = kLarge + rng.below(kLarge);
    choices = {{2, 64, size, 1.0 + rng.uniform()}, {4, 64, 2 * size + 1, rng.uniform()}};
    smallest += size;
  }
  for (const std::uint64_t budget : {smallest, smallest + smallest / 2, 3 * smallest}) {
    const auto choices = allocate_bits(layers, budget);
    ASSERT_THAT(choices, IsOk());
    EXPECT_LE(total(layers, *choices).storage_bits, budget) << "seed " << kSeed;
  }
  const auto all = allocate_bits(layers, 3 * smallest);
  EXPECT_EQ(std::count(all->begin(), all->end(), std::size_t{1}), 40);
}

TEST(AllocateBits, TakesTheSmallerOfEquallyGoodChoices) {
  const auto choices = allocate_bits(Layers{{{8, 64, 80, 0.5}, {4, 64, 40, 0.5}}}, 100);
  ASSERT_THAT(choices, IsOk());
  EXPECT_THAT(*choices, testing::ElementsAre(1));
}

TEST(AllocateBits, RefusesWhatHasNoAnswer) {
  EXPECT_THAT(allocate_bits(Layers{{{2, 64, 50, 1}}, {{2, 64, 60, 1}}}, 100),
              FailsWith(ErrorCode::kInvalidArgument, "below the 110"));
  EXPECT_THAT(allocate_bits(Layers{{}}, 100),
              FailsWith(ErrorCode::kInvalidArgument, "layer 0 has 0 choices"));
  EXPECT_THAT(allocate_bits(Layers{{{2, 64, 50, -1}}}, 100), FailsWith(ErrorCode::kInvalidArgument, "cost"));
}

TEST(GptqStorageBits, CountsCodesScalesAndZeroPoints) {
  EXPECT_EQ(gptq_storage_bits(3, 128, 2, 64), 3u * (128 * 2 + 2 * (16 + 2)));
  EXPECT_EQ(gptq_storage_bits(3, 100, 4, 64), 3u * (100 * 4 + 2 * (16 + 4)));
  EXPECT_EQ(gptq_storage_bits(3, 128, 8, -1), 3u * (128 * 8 + (16 + 8)));
}

}  // namespace
}  // namespace assay
