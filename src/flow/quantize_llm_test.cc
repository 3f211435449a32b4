#include "flow/quantize_llm.h"

#include <cmath>

#include "base/rng.h"
#include "engine/forward.h"
#include "engine/load.h"
#include "flow/block_quantizer.h"
#include "quant/llm/blas.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 5;

// A progress that calls back, so that a test can interfere in the middle of a run.
class CallingProgress : public Progress {
 public:
  explicit CallingProgress(std::function<void(std::int64_t)> call) : call_(std::move(call)) {}
  void update(std::string_view, std::int64_t done, std::int64_t) override { call_(done); }

 private:
  std::function<void(std::int64_t)> call_;
};

class QuantizeLlm : public testing::TestWithParam<std::string> {
 protected:
  QuantizeLlm() {
    use_single_threaded_blas();
    options_.gptq.grid.bits = 4;
    options_.gptq.group_size = 32;
  }

  fs::path source() const { return golden(GetParam()); }

  CalibrationSet calibration(std::int64_t vocabulary_size) const {
    Rng rng(kSeed);
    CalibrationSet set;
    for (int s = 0; s < 12; ++s) {
      set.sequences.emplace_back();
      for (int t = 0; t < 24; ++t) set.sequences.back().push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary_size))));
    }
    return set;
  }

  Result<LlmQuantizeReport> quantize(const fs::path& out, int threads = 2) {
    NoProgress progress;
    return quantize(out, threads, progress);
  }

  Result<LlmQuantizeReport> quantize(const fs::path& out, int threads, Progress& progress) {
    ASSAY_TRY(model_, load_model(source()));
    ThreadPool pool(threads);
    const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
    return quantize_llm(model_, source(), out, calibration(model_.config.vocab_size), options_, kernels, progress);
  }

  std::vector<float> logits(const LanguageModel& model) const {
    ThreadPool pool(1);
    Forward forward(model, {runnable_kernels({})[0], &pool});
    const std::vector<std::int32_t> tokens{1, 5, 9, 2, 30, 7};
    const SequenceRows sequence{0, 6, nullptr};
    auto hidden = forward.hidden_states(tokens, {&sequence, 1});
    EXPECT_THAT(hidden, IsOk());
    const Matrix<float> out = forward.logits(hidden->view());
    return {out.values().begin(), out.values().end()};
  }

  static double total_output_error(const LlmQuantizeReport& report) {
    double sum = 0;
    for (const auto& layer : report.layers) sum += layer.output_error.value_or(0);
    return sum;
  }

  TempDir dir_;
  LanguageModel model_;
  LlmQuantizeOptions options_;
};

class QuantizeBest : public QuantizeLlm {
 protected:
  QuantizeBest() {
    options_.method = LlmMethod::kBest;
    options_.gptq.grid.bits = 2;
    options_.gptq.grid.sym = false;
    options_.gptq.grid.search = ScaleSearch::kJoint;
    options_.closed_form.max_rounds = 1;
    options_.closed_form.max_restarts = 1;
  }
};

TEST_P(QuantizeLlm, WritesAFolderThatLoadsToTheModelInMemory) {
  for (const bool sym : {true, false}) {
    options_.gptq.grid.sym = sym;
    const fs::path out = dir_ / (sym ? "sym" : "asym");
    ASSERT_THAT(quantize(out), IsOk());
    auto loaded = load_model(out);
    ASSERT_THAT(loaded, IsOk());
    // The embedding and the norms of the folder are rounded to what it stores; the packed matrices must be the same bits.
    for (std::size_t b = 0; b < model_.blocks.size(); ++b) {
      for (std::size_t i = 0; i < kNumSlots; ++i) {
        const auto& kept = model_.blocks[b].linears[i];
        if (!kept) continue;
        const auto& read = loaded->blocks[b].linears[i];
        std::vector<float> expected(static_cast<std::size_t>(kept->weight.cols)), got(expected.size());
        for (std::int64_t r = 0; r < kept->weight.rows; ++r) {
          dequantize_row(*runnable_kernels({})[0], kept->weight, r, expected);
          dequantize_row(*runnable_kernels({})[0], read->weight, r, got);
          ASSERT_EQ(got, expected) << kept->name << " row " << r;
        }
      }
    }
  }
}

TEST_P(QuantizeLlm, FinishesACleanUpThatWasCutShort) {
  fs::create_directories(dir_ / "out.partial.discarded");
  write_bytes(dir_ / "out.partial.discarded/block-00001.json", "[]");
  ASSERT_THAT(quantize(dir_ / "out"), IsOk());
  EXPECT_FALSE(fs::exists(dir_ / "out.partial"));
  EXPECT_FALSE(fs::exists(dir_ / "out.partial.discarded"));
}

TEST_P(QuantizeLlm, WritesTheSameBytesWhateverTheNumberOfThreads) {
  ASSERT_THAT(quantize(dir_ / "one", 1), IsOk());
  for (const int threads : {2, 3}) {
    const std::string name = "threads" + std::to_string(threads);
    ASSERT_THAT(quantize(dir_ / name, threads), IsOk());
    EXPECT_EQ(read_bytes(dir_ / name / "model.safetensors"), read_bytes(dir_ / "one" / "model.safetensors"));
  }
}

TEST_P(QuantizeLlm, GoesOnFromTheLastFinishedBlockAndWritesTheSameBytes) {
  ASSERT_THAT(quantize(dir_ / "whole"), IsOk());
  // A file in the way of the result lets the run fail at its very end, with every block stored.
  CallingProgress progress([&](std::int64_t) {
    fs::create_directories(dir_ / "out");
    write_bytes(dir_ / "out" / "in-the-way", "x");
  });
  ASSERT_THAT(quantize(dir_ / "out", 2, progress), FailsWith(ErrorCode::kIo, "out"));
  fs::remove_all(dir_ / "out");
  fs::remove(dir_ / "out.partial" / "block-00001.json");
  auto report = quantize(dir_ / "out");
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->resumed_blocks, 1);
  EXPECT_EQ(read_bytes(dir_ / "out" / "model.safetensors"), read_bytes(dir_ / "whole" / "model.safetensors"));
  EXPECT_FALSE(fs::exists(dir_ / "out.partial"));
}

TEST_P(QuantizeLlm, DoesNotContinueARunOfOtherSettingsUnlessToldToRestart) {
  fs::create_directories(dir_ / "out.partial");
  write_bytes(dir_ / "out.partial" / "settings.json", "{\"bits\":2}");
  EXPECT_THAT(quantize(dir_ / "out"), FailsWith(ErrorCode::kInvalidArgument, "--restart"));
  options_.restart = true;
  EXPECT_THAT(quantize(dir_ / "out"), IsOk());
}

TEST_P(QuantizeLlm, GivesTheSameBytesWhenActivationsAreSpilledToDisk) {
  ASSERT_THAT(quantize(dir_ / "memory"), IsOk());
  options_.activation_memory_bytes = 0;
  ASSERT_THAT(quantize(dir_ / "disk"), IsOk());
  EXPECT_EQ(read_bytes(dir_ / "disk" / "model.safetensors"), read_bytes(dir_ / "memory" / "model.safetensors"));
}

TEST_P(QuantizeLlm, LosesLessOfTheOutputsThanRoundToNearest) {
  options_.gptq.grid.bits = 2;
  const auto gptq = quantize(dir_ / "gptq");
  ASSERT_THAT(gptq, IsOk());
  options_.method = LlmMethod::kRtn;
  options_.gptq.grid.search = ScaleSearch::kWeighted;  // only to have the outputs' error reported
  const auto rtn = quantize(dir_ / "rtn");
  ASSERT_THAT(rtn, IsOk());
  EXPECT_LT(total_output_error(*gptq), total_output_error(*rtn));
}

TEST_P(QuantizeBest, BestLeavesBlocksNearerToTheFloatOnesThanItsFirstStep) {
  const auto best = quantize(dir_ / "best");
  ASSERT_THAT(best, IsOk());
  options_.closed_form = {.targets = false, .descent = false, .refit = false, .fit = false, .restart = false};
  const auto gptq = quantize(dir_ / "gptq");
  ASSERT_THAT(gptq, IsOk());
  ASSERT_EQ(best->block_errors.size(), model_.blocks.size());
  EXPECT_LT(best->block_errors.back(), gptq->block_errors.back());
  for (const auto& layer : best->layers) EXPECT_FALSE(layer.steps.empty()) << layer.name;
}

TEST_P(QuantizeBest, BestWritesTheSameBytesWhateverThreadsMemoryAndInterruptions) {
  ASSERT_THAT(quantize(dir_ / "one", 1), IsOk());
  const auto expected = read_bytes(dir_ / "one" / "model.safetensors");
  options_.activation_memory_bytes = 0;
  CallingProgress progress([&](std::int64_t) {
    fs::create_directories(dir_ / "out");
    write_bytes(dir_ / "out" / "in-the-way", "x");
  });
  ASSERT_THAT(quantize(dir_ / "out", 3, progress), FailsWith(ErrorCode::kIo, "out"));
  fs::remove_all(dir_ / "out");
  const auto last = std::to_string(model_.blocks.size() - 1);
  fs::remove(dir_ / "out.partial" / ("block-0000" + last + ".json"));
  const auto report = quantize(dir_ / "out", 3);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->resumed_blocks, static_cast<std::int64_t>(model_.blocks.size()) - 1);
  EXPECT_EQ(report->block_errors.size(), model_.blocks.size());
  EXPECT_EQ(read_bytes(dir_ / "out" / "model.safetensors"), expected);
}

TEST_P(QuantizeBest, DoesNotContinueARunOfOtherSteps) {
  CallingProgress progress([&](std::int64_t) {
    fs::create_directories(dir_ / "out");
    write_bytes(dir_ / "out" / "in-the-way", "x");
  });
  ASSERT_THAT(quantize(dir_ / "out", 2, progress), FailsWith(ErrorCode::kIo, "out"));
  fs::remove_all(dir_ / "out");
  options_.closed_form.fit = false;
  EXPECT_THAT(quantize(dir_ / "out"), FailsWith(ErrorCode::kInvalidArgument, "--restart"));
}

TEST_P(QuantizeBest, WithoutSolvingForCodesEveryWeightTakesTheNearestValueOfItsGrid) {
  options_.solve_codes = false;
  ASSERT_THAT(quantize(dir_ / "nearest"), IsOk());
  auto original = load_model(source());
  ASSERT_THAT(original, IsOk());
  ThreadPool pool(1);
  const KernelContext kernels{runnable_kernels({})[0], &pool};
  for (std::size_t b = 0; b < model_.blocks.size(); ++b) {
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      const auto& linear = model_.blocks[b].linears[i];
      if (!linear) continue;
      const GroupQuantMatrix& matrix = *linear->quantized;
      auto w = dequantize_dense(*original->blocks[b].linears[i], kernels);
      ASSERT_THAT(w, IsOk());
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols())), nearest(codes.size());
      for (std::int64_t r = 0; r < matrix.rows(); ++r) {
        matrix.get_row(r, codes);
        for (std::int64_t c = 0; c < matrix.cols(); ++c) {
          const std::int64_t g = c / matrix.group_size();
          quantize_values({w->row(r) + c, 1}, {matrix.scale(r, g), matrix.zero(r, g)}, 2, {&nearest[static_cast<std::size_t>(c)], 1});
        }
        ASSERT_EQ(codes, nearest) << linear->name << ", row " << r;
      }
    }
  }
}

TEST_P(QuantizeBest, WithoutSolvingForCodesABlockDoesNotSeeHowThoseBeforeItWereQuantized) {
  options_.solve_codes = false;
  const auto last_block = [&](const std::string& name) {
    EXPECT_THAT(quantize(dir_ / name), IsOk());
    std::vector<float> scales;
    for (const auto& linear : model_.blocks.back().linears) {
      for (std::int64_t r = 0; linear && r < linear->quantized->rows(); ++r) {
        for (std::int64_t g = 0; g < linear->quantized->num_groups(); ++g) scales.push_back(to_float(linear->quantized->scale(r, g)));
      }
    }
    return scales;
  };
  const auto all = last_block("all");
  for (const auto& linear : model_.blocks[0].linears) {
    if (linear) options_.layers[linear->name] = {8, 32};
  }
  EXPECT_EQ(last_block("finer before"), all);
  options_.solve_codes = true;
  EXPECT_NE(last_block("solved"), all);
}

TEST_P(QuantizeLlm, GivesALayerBitsOfItsOwn) {
  const auto original = load_model(source());
  ASSERT_THAT(original, IsOk());
  const std::string name = original->blocks[1].at(Slot::kDown)->name;
  options_.layers[name] = {8, 16};
  options_.closed_form.max_rounds = 1;
  options_.closed_form.max_restarts = 0;
  for (const auto method : {LlmMethod::kGptq, LlmMethod::kBest, LlmMethod::kRtn}) {
    options_.method = method;
    const fs::path out = dir_ / to_string(method);
    ASSERT_THAT(quantize(out), IsOk());
    const auto loaded = load_model(out);
    ASSERT_THAT(loaded, IsOk());
    loaded->for_each_linear([&](const Linear& linear) {
      EXPECT_EQ(linear.weight.bits, linear.name == name ? 8 : 4) << linear.name;
      EXPECT_EQ(linear.weight.group_size, linear.name == name ? 16 : 32) << linear.name;
    });
  }
}

TEST_P(QuantizeLlm, QuantizesWithoutTrueSequentialAndWithActOrder) {
  options_.true_sequential = false;
  options_.gptq.order = ColumnOrder::kActivation;
  options_.gptq.group_size = 16;
  ASSERT_THAT(quantize(dir_ / "out"), IsOk());
  const auto loaded = load_model(dir_ / "out");
  ASSERT_THAT(loaded, IsOk());
  for (const float value : logits(*loaded)) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(QuantizeLlm, ReadsAQuantizedEmbeddingBack) {
  options_.embedding_bits = 8;
  auto report = quantize(dir_ / "out");
  ASSERT_THAT(report, IsOk());
  auto loaded = load_model(dir_ / "out");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->embedding.weight.bits, 8);
  EXPECT_EQ(loaded->embedding.weight.rows, loaded->config.vocab_size);
  // 8 bits over small groups: the folder's logits stay close to those of the model with a float16 embedding.
  EXPECT_LT(report->layers.back().weight_error, 0.01);
}

TEST_P(QuantizeLlm, RefusesAnOutputThatExistsAndLeavesItAlone) {
  fs::create_directories(dir_ / "out");
  write_bytes(dir_ / "out" / "thesis.txt", "precious");
  EXPECT_THAT(quantize(dir_ / "out"), FailsWith(ErrorCode::kInvalidArgument, "exists already"));
  EXPECT_EQ(read_bytes(dir_ / "out" / "thesis.txt"), "precious");
}

TEST_P(QuantizeLlm, ReportsAFullDiskAndGoesOnWhenThereIsRoomAgain) {
  ASSERT_THAT(quantize(dir_ / "whole"), IsOk());
  {
    const FullDisk full(3000);
    EXPECT_THAT(quantize(dir_ / "out"), FailsWith(ErrorCode::kIo, "cannot write"));
  }
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  ASSERT_THAT(quantize(dir_ / "out"), IsOk());
  EXPECT_EQ(read_bytes(dir_ / "out" / "model.safetensors"), read_bytes(dir_ / "whole" / "model.safetensors"));
}

TEST_P(QuantizeLlm, NamesTheLayerThatAGroupSizeDoesNotDivide) {
  options_.gptq.group_size = 48;
  EXPECT_THAT(quantize(dir_ / "out"), FailsWith(ErrorCode::kInvalidArgument, "group size 48 does not divide"));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_P(QuantizeLlm, RefusesToQuantizeTwice) {
  ASSERT_THAT(quantize(dir_ / "once"), IsOk());
  auto model = load_model(dir_ / "once");
  ASSERT_THAT(model, IsOk());
  ThreadPool pool(1);
  NoProgress progress;
  EXPECT_THAT(quantize_llm(*model, dir_ / "once", dir_ / "twice", calibration(20), options_, {runnable_kernels({})[0], &pool}, progress),
              FailsWith(ErrorCode::kUnsupported, "is quantized already"));
}

INSTANTIATE_TEST_SUITE_P(Golden, QuantizeBest, testing::Values("families/gpt2"));

INSTANTIATE_TEST_SUITE_P(Golden, QuantizeLlm, testing::Values("families/gpt2", "gguf/llama-quantized.gguf"), [](const auto& test) {
  return test.param.find("gpt2") != std::string::npos ? "folder" : "gguf";
});

}  // namespace
}  // namespace assay
