#include "flow/tune_llm.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/rng.h"
#include "engine/load.h"
#include "quant/llm/blas.h"
#include "quant/llm/rtn.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 9;

CalibrationSet random_calibration(std::int64_t vocabulary_size, int sequences, int length) {
  Rng rng(kSeed);
  CalibrationSet set;
  for (int s = 0; s < sequences; ++s) {
    set.sequences.emplace_back();
    for (int t = 0; t < length + s % 3; ++t)
      set.sequences.back().push_back(
          static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary_size))));
  }
  return set;
}

TEST(DivideCalibration, GivesEverySequenceToOneSide) {
  const auto data = divide_calibration(random_calibration(50, 20, 5));
  ASSERT_THAT(data, IsOk());
  std::set<std::size_t> seen(data->train.begin(), data->train.end());
  for (const std::size_t i : data->held_out) EXPECT_TRUE(seen.insert(i).second);
  EXPECT_EQ(seen.size(), 20);
  EXPECT_EQ(data->held_out, (std::vector<std::size_t>{7, 15}));
  EXPECT_THAT(divide_calibration(random_calibration(50, 1, 5)),
              FailsWith(ErrorCode::kInvalidArgument, "at least 2"));
}

TEST(DivideCalibration, HoldsOutNoMoreThanItTakesToJudge) {
  const auto data = divide_calibration(random_calibration(50, 400, 2));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->held_out.size(), 32u);
  EXPECT_EQ(data->train.size(), 368u);
}

TEST(DrawSequences, SeesEverySequenceOnceBeforeAnyAgainInANewOrder) {
  const auto data = divide_calibration(random_calibration(50, 20, 5));
  std::vector<std::size_t> drawn;
  for (std::int64_t step = 0; step < 18; ++step) {
    for (const std::size_t i : draw_sequences(*data, step, 2, kSeed)) drawn.push_back(i);
  }
  std::vector<std::size_t> first(drawn.begin(), drawn.begin() + 18), second(drawn.begin() + 18, drawn.end());
  EXPECT_NE(first, second);
  std::ranges::sort(first);
  std::ranges::sort(second);
  EXPECT_EQ(first, data->train);
  EXPECT_EQ(second, data->train);
}

TEST(RateFactor, RisesThenFallsToZero) {
  EXPECT_LT(rate_factor(0, 100), rate_factor(4, 100));
  EXPECT_LT(rate_factor(10, 1000), rate_factor(18, 1000)) << "longer runs rise for longer";
  EXPECT_GT(rate_factor(50, 100), rate_factor(51, 100));
  EXPECT_NEAR(rate_factor(99, 100), 0.01, 1e-6);
}

class TuneLlm : public testing::Test {
 protected:
  explicit TuneLlm(std::string family = "llama-gqa") : family_(std::move(family)) {
    use_single_threaded_blas();
  }

  void SetUp() override {
    auto loaded = load_model(golden("families/" + family_));
    ASSERT_THAT(loaded, IsOk());
    original_ = std::move(*loaded);
    options_.blocks->epochs = 3;
    options_.blocks->sequences_per_step = 3;
    // Rates that fit the few tokens here, whatever the defaults are.
    options_.blocks->rates = {.latent = 0.02f, .scale = 0.002f, .zero = 0.0f, .norm = 0.005f};
    options_.model->epochs = 3;
    options_.model->sequences_per_step = 3;
    options_.model->rows_at_once = 32;
    options_.model->rates = {.latent = 0.02f, .scale = 0.001f, .zero = 0.0f, .norm = 0.002f};
    options_.model->steps_between_saves = 2;
  }

  // Rounded to the nearest value of a grid, in groups of eight.
  LanguageModel rounded(int bits = 2) const {
    auto model = load_model(golden("families/" + family_));
    ThreadPool pool(1);
    for (auto& block : model->blocks) {
      const BlockParameters weights = block_parameters(block, {runnable_kernels({})[0], &pool});
      for (std::size_t i = 0; i < kNumSlots; ++i) {
        if (!block.linears[i]) continue;
        auto matrix = quantize_rtn(weights.linears[i].view(), 8, {.bits = bits, .sym = false}, {}, pool);
        EXPECT_THAT(matrix, IsOk());
        block.linears[i]->set_quantized(std::make_shared<GroupQuantMatrix>(*std::move(matrix)), {});
      }
    }
    return std::move(*model);
  }

  Result<TuneReport> tune(LanguageModel& model, const std::string& name, int threads, Progress& progress) {
    ThreadPool pool(threads);
    fs::create_directories(dir_ / name);
    return tune_llm(original_, model, random_calibration(original_.config.vocab_size, 12, 10), options_,
                    dir_ / name, {&select_kernels(detect_cpu_features()), &pool}, progress);
  }
  Result<TuneReport> tune(LanguageModel& model, const std::string& name, int threads = 2) {
    NoProgress progress;
    return tune(model, name, threads, progress);
  }

  static void expect_same(const LanguageModel& a, const LanguageModel& b) {
    std::vector<float> row_a, row_b;
    for (std::size_t layer = 0; layer < a.blocks.size(); ++layer) {
      for (std::size_t i = 0; i < kNumSlots; ++i) {
        if (!a.blocks[layer].linears[i]) continue;
        const WeightView &left = a.blocks[layer].linears[i]->weight,
                         &right = b.blocks[layer].linears[i]->weight;
        for (std::int64_t r = 0; r < left.rows; ++r) {
          row_a.resize(static_cast<std::size_t>(left.cols));
          row_b = row_a;
          dequantize_row(*runnable_kernels({})[0], left, r, row_a);
          dequantize_row(*runnable_kernels({})[0], right, r, row_b);
          ASSERT_EQ(row_a, row_b) << "block " << layer << ", slot " << i << ", row " << r;
        }
      }
      for (std::size_t i = 0; i < kNumNormSlots; ++i) {
        if (!a.blocks[layer].norms[i]) continue;
        EXPECT_EQ(a.blocks[layer].norms[i]->weight, b.blocks[layer].norms[i]->weight);
      }
    }
    EXPECT_EQ(a.final_norm->weight, b.final_norm->weight);
  }

  std::string family_;
  TempDir dir_;
  LanguageModel original_;
  TuneOptions options_;
};

class TuneEveryFamily : public TuneLlm, public testing::WithParamInterface<std::string> {
 protected:
  TuneEveryFamily() : TuneLlm(GetParam()) {}
};

TEST_P(TuneEveryFamily, BringsBlocksAndDistributionsNearerToTheFloatModelOnHeldOutSequences) {
  LanguageModel model = rounded();
  const auto report = tune(model, "run");
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->blocks.size(), model.blocks.size());
  EXPECT_LT(report->blocks[0].error, 0.98 * report->blocks[0].start_error);
  for (const auto& block : report->blocks) EXPECT_LE(block.error, block.start_error);
  EXPECT_LT(report->model->kl, report->model->start_kl);
}

TEST_F(TuneLlm, LatentWeightsMoveBySharesOfACode) {
  ThreadPool pool(1);
  const KernelContext kernels{runnable_kernels({})[0], &pool};
  for (const int bits : {2, 4}) {
    const LanguageModel model = rounded(bits);
    auto block = TrainableBlock::create(original_, model, 0, LatentStart::kWeights, kernels);
    ASSERT_THAT(block, IsOk());
    const Matrix<float> x = *Forward(original_, kernels).embed(std::vector<std::int32_t>{1, 5, 9}, {});
    const std::vector<SequenceRows> sequence{{0, 3, nullptr}};
    BlockTape tape;
    Matrix<float> y(x.rows(), x.cols());
    block->forward(x.view(), sequence, Factors::kFloat, tape, y.view());
    block->backward(x.view(), sequence, tape, y.view(), y.view());
    const Matrix<float> before = block->state().layers[0].parameters.latent;
    block->step({.latent = 0.01f}, 1);
    const Matrix<float>& after = block->state().layers[0].parameters.latent;
    float farthest = 0;
    for (std::int64_t i = 0; i < after.rows() * after.cols(); ++i)
      farthest = std::max(farthest, std::abs(after.data()[i] - before.data()[i]));
    // Adam's first step has the full length of its rate.
    EXPECT_NEAR(farthest, 0.01f, 1e-4f) << bits << " bits";
  }
}

TEST_F(TuneLlm, TrainsScalesAndNormsAloneWhereLatentWeightsHaveNoRate) {
  options_.blocks.reset();
  options_.model->rates.latent = 0;
  LanguageModel model = rounded();
  const LanguageModel start = rounded();
  const auto report = tune(model, "run");
  ASSERT_THAT(report, IsOk());
  EXPECT_LT(report->model->kl, report->model->start_kl);
  for (std::size_t layer = 0; layer < model.blocks.size(); ++layer) {
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      if (!model.blocks[layer].linears[i]) continue;
      const GroupQuantMatrix &trained = *model.blocks[layer].linears[i]->quantized,
                             &before = *start.blocks[layer].linears[i]->quantized;
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(trained.cols())), expected(codes.size());
      bool scales_moved = false;
      for (std::int64_t r = 0; r < trained.rows(); ++r) {
        trained.get_row(r, codes);
        before.get_row(r, expected);
        ASSERT_EQ(codes, expected) << "block " << layer << ", slot " << i << ", row " << r;
        scales_moved |= trained.scale(r, 0).bits != before.scale(r, 0).bits;
      }
      EXPECT_TRUE(scales_moved) << "block " << layer << ", slot " << i;
    }
  }
}

// The report's figure is that of the weights that are written, as the engine computes with them.
TEST_F(TuneLlm, ReportsTheDivergenceThatTheEngineMeasures) {
  LanguageModel model = rounded();
  const auto report = tune(model, "run");
  ASSERT_THAT(report, IsOk());
  const CalibrationSet calibration = random_calibration(original_.config.vocab_size, 12, 10);
  const auto data = divide_calibration(calibration);
  ThreadPool pool(2);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  double sum = 0;
  std::int64_t rows = 0;
  for (const std::size_t i : data->held_out) {
    const auto& ids = calibration.sequences[i];
    const SequenceRows whole{0, static_cast<std::int64_t>(ids.size()), nullptr};
    const auto logits_of = [&](const LanguageModel& m) {
      Forward forward(m, kernels);
      const auto hidden = forward.hidden_states(ids, {&whole, 1});
      return forward.logits(hidden->view());
    };
    const Matrix<float> p = logits_of(original_), q = logits_of(model);
    const auto log_sum = [](const float* row, std::int64_t n) {
      double total = 0;
      for (std::int64_t c = 0; c < n; ++c) total += std::exp(static_cast<double>(row[c]));
      return std::log(total);
    };
    for (std::int64_t t = 0; t < p.rows(); ++t, ++rows) {
      const double zp = log_sum(p.row(t), p.cols()), zq = log_sum(q.row(t), q.cols());
      for (std::int64_t c = 0; c < p.cols(); ++c)
        sum += std::exp(p.at(t, c) - zp) * (p.at(t, c) - zp - q.at(t, c) + zq);
    }
  }
  EXPECT_NEAR(report->model->kl, sum / static_cast<double>(rows), 1e-4 * report->model->kl);
}

TEST_F(TuneLlm, GivesTheSameModelForAnyNumberOfThreadsAndForRecomputedActivations) {
  LanguageModel one = rounded(), three = rounded(), recomputed = rounded();
  ASSERT_THAT(tune(one, "one", 1), IsOk());
  ASSERT_THAT(tune(three, "three", 3), IsOk());
  expect_same(one, three);
  options_.model->activation_memory_bytes = 0;
  ASSERT_THAT(tune(recomputed, "recomputed", 1), IsOk());
  expect_same(one, recomputed);
}

// Calls back, so that a test can interfere in the middle of a run.
class CallingProgress : public Progress {
 public:
  explicit CallingProgress(std::function<void(std::string_view, std::int64_t)> call)
      : call_(std::move(call)) {}
  void update(std::string_view stage, std::int64_t done, std::int64_t) override { call_(stage, done); }

 private:
  std::function<void(std::string_view, std::int64_t)> call_;
};

TEST_F(TuneLlm, GoesOnFromTheLastFinishedBlockAndTheLastSavedStepToTheSameModel) {
  LanguageModel whole = rounded(), first = rounded(), second = rounded(), third = rounded();
  ASSERT_THAT(tune(whole, "whole"), IsOk());
  // A folder where the second block belongs makes the first run fail there.
  const fs::path block = dir_ / "cut" / "tuned-00001.safetensors",
                 state = dir_ / "cut" / "distill-state.safetensors";
  fs::create_directories(block / "in the way");
  ASSERT_THAT(tune(first, "cut"), FailsWith(ErrorCode::kIo, "tuned-00001"));
  fs::remove_all(block);
  CallingProgress progress([&](std::string_view stage, std::int64_t done) {
    if (stage != "distilling" || done != 6) return;
    fs::rename(state, dir_ / "kept");
    fs::create_directories(state / "in the way");
  });
  ASSERT_THAT(tune(second, "cut", 2, progress), FailsWith(ErrorCode::kIo, "distill-state"));
  fs::remove_all(state);
  fs::rename(dir_ / "kept", state);
  const auto report = tune(third, "cut");
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->resumed_blocks, static_cast<std::int64_t>(third.blocks.size()));
  EXPECT_EQ(report->model->resumed_steps, 4);
  expect_same(whole, third);
}

INSTANTIATE_TEST_SUITE_P(Families, TuneEveryFamily, testing::Values("llama-gqa", "gemma3"),
                         [](const auto& test) { return test.param == "gemma3" ? "gemma3" : "llama"; });

TEST(TuneLlmModels, AreRefusedWithoutGradientsAndBeforeQuantization) {
  use_single_threaded_blas();
  TempDir dir;
  ThreadPool pool(1);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  NoProgress progress;
  auto gpt2 = load_model(golden("families/gpt2")), llama = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(gpt2, IsOk());
  ASSERT_THAT(llama, IsOk());
  EXPECT_THAT(tune_llm(*gpt2, *gpt2, random_calibration(20, 4, 5), {}, dir.path(), kernels, progress),
              FailsWith(ErrorCode::kUnsupported, "LayerNorm"));
  EXPECT_THAT(tune_llm(*llama, *llama, random_calibration(20, 4, 5), {}, dir.path(), kernels, progress),
              FailsWith(ErrorCode::kInvalidArgument, "is not quantized"));
}

TEST(TuneLlmModels, AreToldToNeedMoreMemoryThanThereIs) {
  ThreadPool pool(1);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  const auto gpt2 = load_model(golden("families/gpt2")), llama = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(gpt2, IsOk());
  ASSERT_THAT(llama, IsOk());
  std::int64_t block_weights = 0;
  llama->for_each_linear(
      [&](const Linear& linear) { block_weights += linear.weight.rows * linear.weight.cols; });
  const WeightView& head = llama->output_head().weight;
  const auto needed = static_cast<std::uint64_t>(24 * block_weights + 4 * head.rows * head.cols);
  EXPECT_THAT(check_trainable_within(*llama, needed, kernels), IsOk());
  EXPECT_THAT(check_trainable_within(*llama, std::nullopt, kernels), IsOk()) << "nobody knows";
  EXPECT_THAT(check_trainable_within(*llama, needed - 1, kernels),
              FailsWith(ErrorCode::kResourceLimit, "training takes about"));
  EXPECT_THAT(check_trainable_within(*gpt2, std::nullopt, kernels),
              FailsWith(ErrorCode::kUnsupported, "LayerNorm"));
}

}  // namespace
}  // namespace assay
