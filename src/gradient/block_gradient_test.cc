#include "gradient/block_gradient.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "engine/load.h"
#include "gradient/gradient_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr int kSamples = 24;  // of the derivatives of each tensor

// Float32 gradients against exact ones, relative to the largest of the tensor: a chain of about ten
// operations, whose sums of at most a few hundred terms of random sign lose about sqrt(n) <= 16 half units
// (2^-24) each, and the norms and the softmax amplify what comes in by less than four. 10 * 16 * 4 * 2^-24 <
// 2^-14; a wrong term shows up at the size of the gradient itself.
constexpr double kRelativeBound = 0x1p-14;

class EveryFamily : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    openblas_set_num_threads(1);
    auto loaded = load_model(golden("families/" + GetParam()));
    ASSERT_THAT(loaded, IsOk());
    model_ = std::move(*loaded);
    x_ = normal_matrix(kRows, model_.config.hidden_size, kGradientSeed);
    dy_ = normal_matrix(kRows, model_.config.hidden_size, kGradientSeed + 1);
  }

  struct Outcome {
    BlockParameters weights, gradients;
    Matrix<float> y, dx;
  };
  Outcome run(std::int64_t layer, int threads, int brain_terms = 0, Factors factors = Factors::kFloat) {
    ThreadPool pool(threads);
    const KernelTable table = table_with_products(brain_terms);
    const KernelContext kernels{&table, &pool};
    auto block = BlockGradient::create(model_, layer, kernels);
    EXPECT_THAT(block, IsOk());
    Outcome out{block_parameters(model_.blocks[static_cast<std::size_t>(layer)], kernels),
                {},
                Matrix<float>(x_.rows(), x_.cols()),
                Matrix<float>(x_.rows(), x_.cols())};
    out.gradients = zeros_like(out.weights);
    BlockTape tape;
    block->forward(out.weights, x_.view(), kSequences, factors, tape, out.y.view());
    block->backward(out.weights, x_.view(), kSequences, tape, dy_.view(), out.gradients, out.dx.view());
    return out;
  }

  // Samples of one tensor's gradient against central differences of the reference.
  void expect_derivatives(std::vector<double*> values, const std::function<double()>& loss,
                          std::span<const float> gradient, const std::string& what) {
    ASSERT_EQ(values.size(), gradient.size()) << what;
    double largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(static_cast<double>(g)));
    EXPECT_GT(largest, 0) << what;
    Rng rng(kGradientSeed);
    for (int i = 0; i < kSamples; ++i) {
      const auto at = static_cast<std::size_t>(rng.below(values.size()));
      const double expected = central_difference(*values[at], loss);
      EXPECT_LE(std::abs(gradient[at] - expected), kRelativeBound * largest)
          << what << " " << at << ": " << gradient[at] << " for " << expected << ", seed " << kGradientSeed;
    }
  }

  static std::vector<double*> pointers(DoubleMatrix& matrix) {
    std::vector<double*> out;
    for (auto& row : matrix) {
      for (double& value : row) out.push_back(&value);
    }
    return out;
  }

  static constexpr std::int64_t kRows = 14;
  static constexpr SequenceRows kSequences[] = {{0, 10, nullptr}, {10, 4, nullptr}};
  LanguageModel model_;
  Matrix<float> x_, dy_;
};

TEST_P(EveryFamily, ForwardEqualsTheEngines) {
  ThreadPool pool(2);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    const Outcome out = run(layer, 2);
    Forward forward(model_, kernels);
    BlockState state{x_, {}};
    forward.begin_block(layer, state);
    forward.attend(layer, kSequences, state);
    forward.project(layer, state);
    forward.expand(layer, state);
    forward.finish_block(layer, state);
    double largest = 0;
    for (const float v : state.hidden.values()) largest = std::max(largest, std::abs(static_cast<double>(v)));
    for (std::size_t i = 0; i < state.hidden.values().size(); ++i)
      ASSERT_NEAR(out.y.values()[i], state.hidden.values()[i], kRelativeBound * largest)
          << "layer " << layer << ", value " << i;
  }
}

TEST_P(EveryFamily, GradientsEqualCentralDifferencesInDouble) {
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    Outcome out = run(layer, 2);
    ReferenceBlock reference(model_, layer, out.weights);
    DoubleMatrix x = to_double(x_);
    const auto loss = [&] { return weighted_sum(dy_, reference.forward(x, kSequences)); };
    expect_derivatives(pointers(x), loss, out.dx.values(), "input");
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      if (!reference.linears[i].empty())
        expect_derivatives(pointers(reference.linears[i]), loss, out.gradients.linears[i].values(),
                           "linear " + std::to_string(i));
    }
    for (std::size_t i = 0; i < kNumNormSlots; ++i) {
      std::vector<double*> values;
      for (double& value : reference.norms[i]) values.push_back(&value);
      if (!values.empty())
        expect_derivatives(values, loss, out.gradients.norms[i], "norm " + std::to_string(i));
    }
  }
}

TEST_P(EveryFamily, GradientsDoNotDependOnTheNumberOfThreads) {
  for (const int brain_terms : {0, 1, 3}) {
    const Outcome one = run(1, 1, brain_terms), three = run(1, 3, brain_terms);
    EXPECT_TRUE(std::ranges::equal(one.y.values(), three.y.values()));
    EXPECT_TRUE(std::ranges::equal(one.dx.values(), three.dx.values()));
    for (std::size_t i = 0; i < kNumSlots; ++i)
      EXPECT_TRUE(std::ranges::equal(one.gradients.linears[i].values(), three.gradients.linears[i].values()));
    for (std::size_t i = 0; i < kNumNormSlots; ++i)
      EXPECT_EQ(one.gradients.norms[i], three.gradients.norms[i]);
  }
}

TEST_P(EveryFamily, ProductsOfBfloat16GiveNearlyTheSameOutputsAndGradients) {
  const Outcome exact = run(1, 2);
  const auto expect_near = [](std::span<const float> actual, std::span<const float> expected, double bound,
                              const std::string& what) {
    double largest = 0, error = 0;
    for (const float v : expected) largest = std::max(largest, std::abs(static_cast<double>(v)));
    for (std::size_t i = 0; i < expected.size(); ++i)
      error = std::max(error, std::abs(static_cast<double>(actual[i]) - expected[i]));
    EXPECT_LE(error, bound * largest) << what;
  };
  // Outputs: the bound of floats with 2^-16 for the rounding of a factor in place of 2^-24 for that of a
  // sum's sqrt(n) <= 16 terms. Gradients: six products whose factors err by 2^-9 each way, by chance; norms
  // and the softmax magnify that by less than four; the worst of some thousand values is four times the
  // usual. With a forward pass of such factors outputs err as gradients do, and gradients twice.
  constexpr double kOutputs = 10 * 4 * 0x1p-16, kGradients = 0x1p-4;
  const auto expect_nearly = [&](const Outcome& brains, double outputs, double gradients,
                                 const std::string& how) {
    expect_near(brains.y.values(), exact.y.values(), outputs, how + "output");
    expect_near(brains.dx.values(), exact.dx.values(), gradients, how + "input");
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      expect_near(brains.gradients.linears[i].values(), exact.gradients.linears[i].values(), gradients,
                  how + "linear " + std::to_string(i));
    }
  };
  for (const int brain_terms : {1, 3}) {
    const std::string terms = std::to_string(brain_terms) + " terms, ";
    expect_nearly(run(1, 2, brain_terms), kOutputs, kGradients, terms);
    expect_nearly(run(1, 2, brain_terms, Factors::kBrain), 2 * kGradients, 2 * kGradients,
                  terms + "forward too, ");
  }
}

TEST_P(EveryFamily, ASecondBackwardPassAddsTheSameGradientsAgain) {
  ThreadPool pool(2);
  const KernelTable table = table_with_products(0);
  const KernelContext kernels{&table, &pool};
  Outcome out = run(0, 2);
  auto block = BlockGradient::create(model_, 0, kernels);
  BlockTape tape;
  block->forward(out.weights, x_.view(), kSequences, Factors::kFloat, tape, out.y.view());
  const BlockParameters once = out.gradients;
  block->backward(out.weights, x_.view(), kSequences, tape, dy_.view(), out.gradients, out.dx.view());
  for (std::size_t i = 0; i < kNumSlots; ++i) {
    double largest = 0;
    for (const float v : once.linears[i].values())
      largest = std::max(largest, std::abs(static_cast<double>(v)));
    for (std::size_t j = 0; j < once.linears[i].values().size(); ++j)
      ASSERT_NEAR(out.gradients.linears[i].values()[j], 2 * once.linears[i].values()[j],
                  8 * 0x1p-24 * largest);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily,
                         testing::Values("llama-gqa", "llama-mha", "llama-bias", "llama-rope-llama3",
                                         "mistral", "qwen2", "qwen3", "gemma2", "gemma3"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(BlockGradient, RefusesWhatItHasNoGradientForByName) {
  ThreadPool pool(1);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  const std::pair<const char*, const char*> cases[] = {
      {"gpt2", "LayerNorm"}, {"opt-post-norm", "LayerNorm"}, {"gpt-neox", "LayerNorm"}, {"phi3", "fused"}};
  for (const auto& [family, reason] : cases) {
    auto model = load_model(golden(std::string("families/") + family));
    ASSERT_THAT(model, IsOk());
    EXPECT_THAT(BlockGradient::create(*model, 0, kernels), FailsWith(ErrorCode::kUnsupported, reason));
  }
}

}  // namespace
}  // namespace assay
