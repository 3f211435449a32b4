// For tests of changes to weights after which a model computes what it did.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/forward.h"
#include "engine/load.h"
#include "support/testing.h"

namespace assay {

// Fused matrices and separate ones, with biases and without, gated and not, all kinds of norms: each change
// has its place in some of them, or in none.
inline constexpr const char* kEveryFamily[] = {
    "llama-gqa", "llama-bias", "qwen2", "qwen3",         "phi3",     "gemma2",
    "gemma3",    "gpt2",       "opt",   "opt-post-norm", "gpt-neox", "gpt-neox-sequential"};

inline std::string family_test_name(const testing::TestParamInfo<const char*>& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class SameFunction {
 public:
  explicit SameFunction(const char* family)
      : model_(*load_model(golden(std::string("families/") + family))) {}

  LanguageModel& model() { return model_; }
  KernelContext kernels() { return {table_, &pool_}; }

  // Where the change has a place, weights must have changed, and the logits not but for rounding: weights and
  // activations differ by a few units of 2^-24 each, which the narrow layers here carry on to the logits with
  // factors near one, so 2^-13 of the largest logit leaves an order of magnitude; logits of another function
  // differ by about their own size. Where it has none, it is refused and changes nothing.
  template <typename Change>
  void expect(bool has_place, Change change) {
    const std::vector<float> before = logits();
    const Status status = change(model_);
    if (has_place) {
      ASSERT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, FailsWith(ErrorCode::kUnsupported, ""));
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

 private:
  std::vector<float> logits() {
    std::vector<std::int32_t> tokens;
    for (std::int32_t t = 0; t < 20; ++t)
      tokens.push_back((t * 37 + 5) % static_cast<std::int32_t>(model_.config.vocab_size));
    const SequenceRows rows{0, 20, nullptr};
    Forward forward(model_, kernels());
    const Matrix<float> logits = forward.logits(forward.hidden_states(tokens, {&rows, 1})->view());
    return {logits.values().begin(), logits.values().end()};
  }

  LanguageModel model_;
  ThreadPool pool_{2};
  const KernelTable* table_ = runnable_kernels({}).front();
};

}  // namespace assay
