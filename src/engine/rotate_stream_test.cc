#include "engine/rotate_stream.h"

#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "engine/same_function_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 37;

class RotatedFamily : public testing::TestWithParam<const char*> {};

TEST_P(RotatedFamily, ComputesTheSameWithARotatedResidualStream) {
  SameFunction same(GetParam());
  const ModelConfig& config = same.model().config;
  const Block& first = same.model().blocks[0];
  const bool norms_behind = first.at(NormSlot::kPostAttention) || first.at(NormSlot::kPostMlp);
  const bool has_place = config.family->norm != NormKind::kLayer && !norms_behind;
  same.expect(has_place, [&](LanguageModel& model) { return rotate_residual_stream(model, same.kernels()); });
  if (!has_place) return;
  EXPECT_TRUE(same.model().head);
  EXPECT_FALSE(parse_model_config(as_bytes(same.model().config_json))->tied_embeddings);
  for (const float weight : same.model().final_norm->weight) EXPECT_EQ(weight, 1);
}

INSTANTIATE_TEST_SUITE_P(Golden, RotatedFamily, testing::ValuesIn(kEveryFamily), family_test_name);

class RotationOfSize : public testing::TestWithParam<std::int64_t> {
 protected:
  std::vector<float> rotated(std::vector<float> x) const {
    rotation_.apply(x.data(), 1, work_);
    return x;
  }
  static double product(const std::vector<float>& a, const std::vector<float>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }

  std::int64_t size_ = GetParam();
  StreamRotation rotation_{size_};
  mutable std::vector<double> work_;
};

TEST_P(RotationOfSize, KeepsInnerProducts) {
  SCOPED_TRACE(kSeed);
  Rng rng(kSeed);
  std::vector<float> a, b;
  for (std::int64_t i = 0; i < size_; ++i) {
    a.push_back(static_cast<float>(rng.normal()));
    b.push_back(static_cast<float>(rng.normal()));
  }
  const double norms = std::sqrt(product(a, a) * product(b, b));
  EXPECT_NEAR(product(rotated(a), rotated(b)), product(a, b), std::ldexp(norms, -22));
}

TEST_P(RotationOfSize, SpreadsOneChannelOverAll) {
  std::vector<float> x(static_cast<std::size_t>(size_));
  x[x.size() / 2] = 1;
  const double most = std::sqrt(2.0 / static_cast<double>(size_));
  for (const float value : rotated(x)) EXPECT_LE(std::abs(value), most * 1.000001);
}

TEST_P(RotationOfSize, WalksWithAStride) {
  std::vector<float> x(static_cast<std::size_t>(size_)), spread(3 * x.size(), 5.0f);
  for (std::size_t i = 0; i < x.size(); ++i) spread[3 * i] = x[i] = static_cast<float>(i) - 2;
  rotation_.apply(spread.data(), 3, work_);
  const auto expected = rotated(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(spread[3 * i], expected[i]);
    EXPECT_EQ(spread[3 * i + 1], 5);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, RotationOfSize, testing::Values(1, 2, 5, 48, 64, 576, 896));

TEST(RotateResidualStream, RefusesAQuantizedMatrixAndLeavesTheModelAsItWas) {
  SameFunction same("llama-gqa");
  Linear& last = *same.model().blocks.back().at(Slot::kDown);
  same.expect(false, [&](LanguageModel& model) {
    last.column_order.resize(static_cast<std::size_t>(last.weight.cols));
    const Status status = rotate_residual_stream(model, same.kernels());
    last.column_order.clear();
    return status;
  });
}

}  // namespace
}  // namespace assay
