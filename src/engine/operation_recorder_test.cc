#include "engine/operation_recorder.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "engine/forward.h"
#include "engine/load.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::array<Operation, kNumOperations> kAll = {
    Operation::kEmbedding, Operation::kNorms,    Operation::kQkv,    Operation::kRope,
    Operation::kAttention, Operation::kOutput,   Operation::kGateUp, Operation::kActivation,
    Operation::kDown,      Operation::kResidual, Operation::kHead};

// Runs `prompt`, then one more token that alone is recorded.
struct RecordedToken {
  OperationRecorder recorder;
  double seconds = 0;
  RecordedToken(const LanguageModel& model, std::span<const std::int32_t> prompt) {
    ThreadPool pool(2);
    const KernelContext kernels{runnable_kernels({}).front(), &pool};
    KvCache cache(model.config, kernels.activations);
    EXPECT_THAT(Forward(model, kernels).next_logits(prompt, cache), IsOk());
    const std::vector<std::int32_t> token{3};
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(Forward(model, kernels, &recorder).next_logits(token, cache), IsOk());
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
};

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const std::string source : {"families", "gptq"}) {
    for (const auto& entry : fs::directory_iterator(golden(source))) {
      if (entry.is_directory()) names.push_back(source + "/" + entry.path().filename().string());
    }
  }
  return names;
}

TEST(OperationRecorder, ReadsInOneTokenWhatTheSizeOfTheModelSaysForEveryFamily) {
  for (const auto& family : families()) {
    SCOPED_TRACE(family);
    const auto model = load_model(golden(family));
    ASSERT_THAT(model, IsOk());
    const std::vector<std::int32_t> prompt{1, 2};
    const RecordedToken token(*model, prompt);
    std::uint64_t bytes = 0;
    for (const Operation operation : kAll) bytes += token.recorder.of(operation).weight_bytes;
    EXPECT_EQ(bytes, model_size(*model).read_per_token_bytes);
  }
}

TEST(OperationRecorder, CountsEveryLinearLayerOnce) {
  for (const auto& family : families()) {
    SCOPED_TRACE(family);
    const auto model = load_model(golden(family));
    ASSERT_THAT(model, IsOk());
    const std::vector<std::int32_t> prompt{1, 2};
    const RecordedToken token(*model, prompt);
    std::uint64_t layers = 1, multiply_adds = 0;  // the head
    const auto count = [&](const Linear& linear) {
      multiply_adds += static_cast<std::uint64_t>(linear.weight.rows * linear.weight.cols);
    };
    count(model->output_head());
    for (const auto* outer : {&model->project_in, &model->project_out}) {
      if (!*outer) continue;
      ++layers;
      count(**outer);
    }
    model->for_each_linear([&](const Linear& linear) {
      ++layers;
      count(linear);
    });
    std::uint64_t calls = 0, products = 0;
    for (const Operation operation : {Operation::kEmbedding, Operation::kQkv, Operation::kOutput,
                                      Operation::kGateUp, Operation::kDown, Operation::kHead}) {
      calls += token.recorder.of(operation).calls;
      products += token.recorder.of(operation).multiply_adds;
    }
    EXPECT_EQ(calls, layers);
    EXPECT_EQ(products, multiply_adds);
  }
}

TEST(OperationRecorder, CountsTheKeysAndValuesThatTheLastTokenSees) {
  const auto model = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(model, IsOk());
  const std::vector<std::int32_t> prompt{1, 2, 3, 4};
  const RecordedToken token(*model, prompt);
  const ModelConfig& config = model->config;
  const OperationTotals& attention = token.recorder.of(Operation::kAttention);
  constexpr std::int64_t kSeen = 5;
  EXPECT_EQ(attention.calls, static_cast<std::uint64_t>(config.num_layers));
  EXPECT_EQ(attention.multiply_adds,
            static_cast<std::uint64_t>(2 * kSeen * config.q_dim() * config.num_layers));
  // Elements are of 2 or 4 bytes, as the cache keeps them.
  const auto elements = static_cast<std::uint64_t>(2 * kSeen * config.kv_dim() * config.num_layers);
  EXPECT_EQ(attention.kv_bytes % elements, 0u);
  EXPECT_GE(attention.kv_bytes, 2 * elements);
  EXPECT_LE(attention.kv_bytes, 4 * elements);
}

TEST(OperationRecorder, PartsTakeAtMostTheWhole) {
  const auto model = load_model(golden("families/llama-mha"));
  ASSERT_THAT(model, IsOk());
  const std::vector<std::int32_t> prompt{1, 2};
  const RecordedToken token(*model, prompt);
  double parts = 0;
  for (const Operation operation : kAll) parts += token.recorder.of(operation).seconds;
  EXPECT_GT(parts, 0);
  EXPECT_LE(parts, token.seconds);
}

TEST(OperationRecorder, TimeInsideOfANestedOperationIsOfTheInnerOneAlone) {
  const auto wait = [](std::chrono::milliseconds time) {
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < time) {
    }
  };
  OperationRecorder recorder;
  const auto begin = std::chrono::steady_clock::now();
  {
    const OperationScope outer(&recorder, Operation::kHead);
    const OperationScope inner(&recorder, Operation::kNorms);
    wait(std::chrono::milliseconds(20));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(recorder.of(Operation::kNorms).seconds, 0.02);
  EXPECT_LE(recorder.of(Operation::kNorms).seconds + recorder.of(Operation::kHead).seconds, seconds);
}

TEST(OperationRecorder, NamesEveryOperationDifferently) {
  std::vector<std::string_view> names;
  for (const Operation operation : kAll) names.push_back(name(operation));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace assay
