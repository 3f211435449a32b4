#include "flow/measure_sensitivity.h"

#include "base/rng.h"
#include "engine/forward.h"
#include "engine/load.h"
#include "flow/block_quantizer.h"
#include "flow/evaluate_divergence.h"
#include "quant/llm/blas.h"
#include "quant/llm/hessian.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 8;

CalibrationSet random_set(std::uint64_t seed, int sequences) {
  CalibrationSet set;
  Rng rng(seed);
  for (int i = 0; i < sequences; ++i) {
    auto& ids = set.sequences.emplace_back();
    for (int t = 0; t < 24; ++t) ids.push_back(static_cast<std::int32_t>(rng.below(101)));
  }
  set.hash = seed;
  return set;
}

class MeasureSensitivity : public testing::Test {
 protected:
  MeasureSensitivity() {
    use_single_threaded_blas();
    options_.formats = {{2, 16}, {4, 16}, {8, 16}};
    options_.gptq.grid.sym = false;
  }
  Result<Sensitivities> measure(const std::string& name, int threads = 2) {
    ThreadPool pool(threads);
    NoProgress progress;
    return measure_sensitivity(model_, calibration_, probe_, options_, folder_ / name, {table_, &pool},
                               progress);
  }

  LanguageModel model_ = *load_model(golden("families/llama-gqa"));
  const CalibrationSet calibration_ = random_set(kSeed, 8), probe_ = random_set(kSeed + 1, 2);
  SensitivityOptions options_;
  const KernelTable* table_ = &select_kernels(detect_cpu_features());
  TempDir folder_;
};

TEST_F(MeasureSensitivity, IsTheDivergenceOfTheModelWithThatLayerAloneQuantized) {
  const auto measured = measure("s.json");
  ASSERT_THAT(measured, IsOk());
  EXPECT_EQ(measured->probe_positions, 2 * 23);
  // The first layer's inputs are the normalized embeddings.
  ThreadPool pool(2);
  const KernelContext kernels{table_, &pool};
  std::vector<std::int32_t> tokens;
  std::vector<SequenceRows> sequences;
  for (const auto& ids : calibration_.sequences) {
    sequences.push_back(
        {static_cast<std::int64_t>(tokens.size()), static_cast<std::int64_t>(ids.size()), nullptr});
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }
  LanguageModel changed = *load_model(golden("families/llama-gqa"));
  Forward forward(changed, kernels);
  BlockState state{*forward.embed(tokens, sequences), {}};
  forward.begin_block(0, state);
  GramAccumulator gram(state.inputs.cols());
  gram.add(state.inputs.view(), pool);
  const Matrix<float> hessian = *gram.hessian();
  Linear& q = *changed.blocks[0].at(Slot::kQ);
  const Matrix<float> w = *dequantize_dense(q, kernels);
  GptqOptions gptq = options_.gptq;
  gptq.grid.bits = 2;
  gptq.group_size = 16;
  auto result = quantize_gptq(w.view(), *prepare_hessian(hessian.view(), gptq), gptq, pool);
  ASSERT_THAT(result, IsOk());
  q.set_quantized(std::make_shared<GroupQuantMatrix>(std::move(result->matrix)),
                  std::move(result->column_order));

  double sum = 0;
  for (const auto& ids : probe_.sequences) {
    const std::vector<std::int32_t> read(ids.begin(), ids.end() - 1);
    const SequenceRows rows{0, static_cast<std::int64_t>(read.size()), nullptr};
    Forward before(model_, kernels), after(changed, kernels);
    const Matrix<float> expected = before.logits(before.hidden_states(read, {&rows, 1})->view());
    const Matrix<float> logits = after.logits(after.hidden_states(read, {&rows, 1})->view());
    const auto positions = compare_rows(expected.view(), logits.view(), std::span(ids).subspan(1), pool);
    ASSERT_THAT(positions, IsOk());
    for (const auto& position : *positions) sum += position.kl;
  }
  EXPECT_EQ(measured->layers[0].name, q.name);
  EXPECT_GT(sum, 0);
  EXPECT_DOUBLE_EQ(measured->layers[0].kl, sum / (2 * 23));
  EXPECT_EQ(measured->layers[0].output_error[0], result->error.output);
}

TEST_F(MeasureSensitivity, NamesEveryMatrixAndErrsLessWithMoreBits) {
  const auto measured = measure("s.json");
  ASSERT_THAT(measured, IsOk());
  std::vector<std::string> names, found;
  model_.for_each_linear([&](const Linear& linear) { names.push_back(linear.name); });
  for (const auto& layer : measured->layers) {
    found.push_back(layer.name);
    EXPECT_GT(layer.output_error[0], layer.output_error[1]) << layer.name;
    EXPECT_GT(layer.output_error[1], layer.output_error[2]) << layer.name;
    EXPECT_GT(layer.kl, 0) << layer.name;
  }
  EXPECT_EQ(found, names);
}

TEST_F(MeasureSensitivity, LeavesTheModelAsItWas) {
  ASSERT_THAT(measure("s.json"), IsOk());
  model_.for_each_linear([&](const Linear& linear) { EXPECT_EQ(linear.quantized, nullptr) << linear.name; });
}

TEST_F(MeasureSensitivity, GoesOnBehindTheFinishedBlocksAndDoesNotDependOnThreads) {
  const auto whole = measure("whole.json");
  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(read_sensitivities(folder_ / "whole.json")->sensitivities, *whole);
  auto file = *read_sensitivities(folder_ / "whole.json");
  file.sensitivities.layers.resize(7);   // q, k, v, o, gate, up, down of the first block
  file.sensitivities.layers[0].kl = 77;  // what is there is not measured again
  ASSERT_THAT(write_sensitivities(folder_ / "part.json", file.settings, file.sensitivities), IsOk());
  auto resumed = measure("part.json", 1);
  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(resumed->layers[0].kl, 77);
  resumed->layers[0].kl = whole->layers[0].kl;
  EXPECT_EQ(*resumed, *whole);
}

TEST_F(MeasureSensitivity, DoesNotGoOnFromOtherSettings) {
  ASSERT_THAT(measure("s.json"), IsOk());
  options_.formats[1].bits = 3;
  EXPECT_THAT(measure("s.json"), FailsWith(ErrorCode::kInvalidArgument, "other settings"));
}

TEST(ReadSensitivities, NamesAFileThatIsDamaged) {
  TempDir folder;
  write_bytes(
      folder / "s.json",
      R"({"settings": {}, "weights": 1, "measured": 1, "probe_positions": 3, "formats": [], "layers": []})");
  EXPECT_THAT(read_sensitivities(folder / "s.json"), FailsWith(ErrorCode::kCorrupt, "s.json"));
  EXPECT_THAT(read_sensitivities(folder / "none.json"), FailsWith(ErrorCode::kNotFound, "none.json"));
}

Sensitivities two_layers() {
  return {{{2, 32}, {4, 32}}, 0, 0, 1, {{"a", 64, 64, 0.5, {0.2, 0.01}}, {"b", 64, 64, 0.1, {0.2, 0.01}}}};
}

TEST(ChooseFormats, GivesTheBitsToTheLayerThatNeedsThem) {
  // 2 bits take 2 + 18 / 32 = 2.5625 of a weight, 4 take 4.625.
  const auto formats = choose_formats(two_layers(), 3.6);
  ASSERT_THAT(formats, IsOk());
  EXPECT_EQ(*formats, (std::vector<LayerBits>{{4, 32}, {2, 32}}));
  EXPECT_EQ(*choose_formats(two_layers(), 2.5625), (std::vector<LayerBits>{{2, 32}, {2, 32}}));
  EXPECT_EQ(*choose_formats(two_layers(), 4.625), (std::vector<LayerBits>{{4, 32}, {4, 32}}));
}

TEST(ChooseFormats, RefusesAnAverageBelowTheSmallestFormat) {
  EXPECT_THAT(choose_formats(two_layers(), 2.5), FailsWith(ErrorCode::kInvalidArgument, "average of 2.5"));
}

}  // namespace
}  // namespace assay
