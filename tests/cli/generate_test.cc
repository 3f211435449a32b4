// Commands that run a model: a tiny GPT-2 with a vocabulary of single characters.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "run_binary.h"
#include "support/testing.h"
#include "tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

class TinyModel : public testing::Test {
 protected:
  TinyModel() { make_tiny_model(folder_ / "model"); }
  std::string model() const { return (folder_ / "model").string(); }
  json generate(std::vector<std::string> options) const {
    std::vector<std::string> words{"generate",     model(), "--prompt", "Hello,world",
                                   "--max-tokens", "12",    "--json",   "-"};
    words.insert(words.end(), options.begin(), options.end());
    const RunResult run = run_assay(words);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return json::parse(run.out, nullptr, false);
  }
  TempDir folder_;
};

TEST_F(TinyModel, GeneratesTheSameTextForTheSameSeed) {
  const json first = generate({"--temperature", "1.5", "--seed", "5"});
  ASSERT_TRUE(first.is_object());
  EXPECT_EQ(first["text"], generate({"--temperature", "1.5", "--seed", "5"})["text"]);
  EXPECT_EQ(first["text"], generate({"--temperature", "1.5", "--seed", "5", "--threads", "1"})["text"]);
  EXPECT_NE(first["text"], generate({"--temperature", "1.5", "--seed", "6"})["text"]);
}

TEST_F(TinyModel, GeneratesTheMostLikelyTextWhateverTheSeedWithoutTemperature) {
  EXPECT_EQ(generate({"--seed", "1"})["ids"], generate({"--seed", "2"})["ids"]);
  EXPECT_EQ(generate({"--seed", "1"})["ids"], generate({"--temperature", "1", "--top-k", "1"})["ids"]);
}

TEST_F(TinyModel, StopsWhereTheContextIsFull) {
  const RunResult run = run_assay({"generate", model(), "--prompt", "Hello,world", "--max-tokens", "1000",
                                   "--json", "-", "--temperature", "1", "--seed", "3"});
  const json result = json::parse(run.out, nullptr, false);
  ASSERT_TRUE(result.is_object()) << run.err;
  if (result["stop"] != "end of text") {
    EXPECT_EQ(result["stop"], "context full");
    // 37 positions, of which the prompt takes 11; the last token generated is not read any more.
    EXPECT_EQ(result["tokens"], 37 - 11 + 1);
  }
}

TEST_F(TinyModel, PrintsTextOnStandardOutputAndSpeedOnStandardError) {
  const RunResult run = run_assay({"generate", model(), "--prompt", "Hello", "--max-tokens", "5"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out.size(), 6u) << run.out;
  EXPECT_THAT(run.err, HasSubstr("tokens/s"));
  EXPECT_THAT(run_assay({"generate", model(), "--prompt", "Hello", "--max-tokens", "5", "--quiet"}).err,
              IsEmpty());
  EXPECT_EQ(run_assay({"generate", model(), "--prompt", "Hello", "--max-tokens", "5", "--stream"}).out,
            run.out);
}

TEST_F(TinyModel, WritesTextsThatQuantizeCalibratesWith) {
  const std::string ids = (folder_ / "ids.json").string(), out = (folder_ / "int4").string();
  const RunResult run =
      run_assay({"generate", model(), "--sequences", "3", "--sequence-length", "16", "-o", ids, "--seed", "2", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out, nullptr, false)["tokens"], 3 * 16);
  const json written = json::parse(read_bytes(ids), nullptr, false);
  EXPECT_EQ(written["model"], model());
  EXPECT_EQ(written["seed"], 2);
  EXPECT_EQ(written["temperature"], 1);
  EXPECT_EQ(written["samples"].size(), 3u);
  const RunResult quantized = run_assay({"quantize", model(), "--to", "int4", "--calibration", ids, "-o", out, "--json", "-"});
  ASSERT_EQ(quantized.exit_code, 0) << quantized.err;
  EXPECT_EQ(json::parse(quantized.out, nullptr, false)["calibration_tokens"], 3 * 16);
}

TEST_F(TinyModel, BenchGivesTheFixedKeys) {
  const RunResult run =
      run_assay({"bench", model(), "-p", "8", "-n", "4", "-r", "3", "-t", "1,2", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json rows = json::parse(run.out, nullptr, false);
  ASSERT_TRUE(rows.is_array());
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0]["test"], "pp8");
  EXPECT_EQ(rows[3]["test"], "tg4");
  EXPECT_EQ(rows[3]["threads"], 2);
  for (const auto& row : rows) {
    EXPECT_EQ(row["repetitions"], 3);
    EXPECT_GT(row["tokens_per_second"], 0);
    EXPECT_GT(row["stddev"], 0);
    EXPECT_GT(row["model_bytes"], 0);
    EXPECT_TRUE(row["environment"].is_object());
    EXPECT_EQ(row["weight_bytes_per_second"].get<double>() > 0, row["test"] == "tg4");
  }
}

TEST_F(TinyModel, LambadaGivesTheFixedKeysAndOneLinePerExample) {
  write_bytes(folder_ / "data.jsonl", "{\"text\": \"Hello world\"}\n{\"text\": \"One two three\"}\n");
  const std::string examples = (folder_ / "examples.jsonl").string();
  const RunResult run = run_assay({"eval", "lambada", model(), "--data", (folder_ / "data.jsonl").string(),
                                   "--examples", examples, "--json", "-", "--top-k", "1,5"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  for (const char* key : {"examples", "accuracy", "accuracy_stderr", "perplexity", "top_k",
                          "first_token_top_k", "tokens", "seconds", "model_bytes"}) {
    EXPECT_TRUE(result.contains(key)) << key;
  }
  EXPECT_EQ(result["examples"], 2);
  EXPECT_EQ(result["top_k"]["1"], result["accuracy"]);
  EXPECT_TRUE(result["top_k"].contains("5"));
  const std::string lines = read_bytes(examples);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST_F(TinyModel, NamesTheDataFileThatIsWrong) {
  write_bytes(folder_ / "data.jsonl", "{\"text\": 5}\n");
  const std::string data = (folder_ / "data.jsonl").string();
  const RunResult run = run_assay({"eval", "lambada", model(), "--data", data});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr(data));
}

TEST_F(TinyModel, PerplexityIsThatOfTheTextScored) {
  write_bytes(folder_ / "text.txt", "Hello,world.This.is.some.text.to.score.");
  const RunResult run = run_assay({"eval", "perplexity", model(), "--data", (folder_ / "text.txt").string(),
                                   "--context", "16", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  EXPECT_GT(result["perplexity"], 1);
  EXPECT_EQ(result["context_length"], 16);
}

TEST_F(TinyModel, SensitivityListsEveryLayerInAFileThatTheNextCallTakesOver) {
  const std::string ids = (folder_ / "ids.json").string(), probe = (folder_ / "probe.json").string();
  write_bytes(ids, "[[3, 14, 15, 9, 26, 5, 35], [5, 35, 8, 9]]");
  write_bytes(probe, "[[7, 9, 3, 2, 38]]");
  const std::vector<std::string> words{"sensitivity", model(), "--calibration", ids, "--probe", probe, "--group-size", "16",
                                       "-o", (folder_ / "layers.json").string(), "--json", "-"};
  const RunResult first = run_assay(words);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(json::parse(first.out, nullptr, false)["probe_positions"], 4);
  const std::string file = read_bytes(folder_ / "layers.json");
  EXPECT_EQ(json::parse(file, nullptr, false)["layers"].size(), json::parse(first.out, nullptr, false)["layers"]);
  ASSERT_EQ(run_assay(words).exit_code, 0);
  EXPECT_EQ(read_bytes(folder_ / "layers.json"), file);
}

TEST_F(TinyModel, AverageBitsGiveLayersTheirOwnAndTheFolderLoads) {
  const std::string ids = (folder_ / "ids.json").string(), probe = (folder_ / "probe.json").string();
  const std::string layers = (folder_ / "layers.json").string(), out = (folder_ / "mixed").string();
  write_bytes(ids, "[[3, 14, 15, 9, 26, 5, 35], [5, 35, 8, 9]]");
  write_bytes(probe, "[[7, 9, 3, 2, 38]]");
  ASSERT_EQ(run_assay({"sensitivity", model(), "--calibration", ids, "--probe", probe, "--group-size", "16", "-o", layers}).exit_code, 0);
  const RunResult run = run_assay({"quantize", model(), "--to", "int2", "--group-size", "16", "--asym", "--calibration", ids, "--average-bits", "4.5",
                                   "--sensitivity", layers, "--fold", "-o", out, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  double bits = 0, weights = 0;
  std::set<int> different;
  const json report = json::parse(run.out, nullptr, false);
  for (const auto& layer : report["layers"]) {
    const double size = layer["rows"].get<double>() * layer["cols"].get<double>();
    const int of_layer = layer["bits"];
    bits += size * (of_layer + (16 + of_layer) / 16.0);
    weights += size;
    different.insert(of_layer);
  }
  EXPECT_LE(bits / weights, 4.5);
  EXPECT_GT(bits / weights, 4.0);
  EXPECT_GT(different.size(), 1u);
  const json config = json::parse(read_bytes(fs::path(out) / "quantize_config.json"), nullptr, false);
  EXPECT_FALSE(config["dynamic"].empty());
  EXPECT_EQ(run_assay({"eval", "kl", out, "--reference", model(), "--data", probe}).exit_code, 0);
  const RunResult too_small = run_assay({"quantize", model(), "--to", "int2", "--average-bits", "2", "--sensitivity", layers, "-o", out + "2"});
  EXPECT_EQ(too_small.exit_code, 1);
  EXPECT_THAT(too_small.err, HasSubstr("smallest choices"));
}

TEST(Quantize, RotatesAModelToAFolderThatComputesNearlyTheSame) {
  const TempDir folder;
  const std::string model = golden("gguf/llama-quantized.gguf").string();
  const std::string ids = (folder / "ids.json").string(), out = (folder / "int8").string();
  write_bytes(ids, "[[3, 14, 15, 9, 26], [5, 35, 8, 9]]");
  const RunResult run =
      run_assay({"quantize", model, "--to", "int8", "--method", "rtn", "--rotate", "-o", out, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(json::parse(run.out, nullptr, false)["settings"]["rotate"]);
  const json inspected = json::parse(run_assay({"inspect", out, "--json", "-"}).out, nullptr, false);
  EXPECT_FALSE(inspected["tied_embeddings"]);
  const RunResult kl = run_assay({"eval", "kl", out, "--reference", model, "--data", ids, "--json", "-"});
  ASSERT_EQ(kl.exit_code, 0) << kl.err;
  EXPECT_LT(json::parse(kl.out, nullptr, false)["kl_mean"], 1e-2);
}

TEST_F(TinyModel, SaysWhyItCannotBeRotated) {
  const std::string out = (folder_ / "int8").string();
  const RunResult run = run_assay({"quantize", model(), "--to", "int8", "--method", "rtn", "--rotate", "-o", out});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("take the mean away"));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(TinyModel, KlDivergenceIsThatToTheReference) {
  const std::string ids = (folder_ / "ids.json").string(), out = (folder_ / "int2").string();
  write_bytes(ids, "[[3, 14, 15, 9, 26], [5, 35, 8, 9]]");
  ASSERT_EQ(run_assay({"quantize", model(), "--to", "int2", "--method", "rtn", "-o", out}).exit_code, 0);
  for (const bool same : {true, false}) {
    const RunResult run = run_assay({"eval", "kl", same ? model() : out, "--reference", model(), "--data", ids, "--json", "-"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json result = json::parse(run.out, nullptr, false);
    EXPECT_EQ(result["sequences"], 2);
    EXPECT_EQ(result["positions"], 4 + 3);
    EXPECT_EQ(result["kl_mean"].get<double>() > 0, !same);
    EXPECT_EQ(result["perplexity"] != result["reference_perplexity"], !same);
    if (same) {
      EXPECT_EQ(result["same_top"], 1);
    }
  }
}

TEST_F(TinyModel, CtrlCEndsWith130AndLeavesNoFile) {
  const std::string json_file = (folder_ / "out.json").string();
  const RunResult run =
      run_assay({"bench", model(), "-p", "8", "-n", "4", "-r", "100000", "--json", json_file},
                {.environment = {}, .interrupt = true});
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(run.err, HasSubstr("assay: interrupted"));
  EXPECT_FALSE(fs::exists(json_file));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

TEST_F(TinyModel, QuantizesToAFolderThatRuns) {
  const std::string out = (folder_ / "int4").string();
  const RunResult run =
      run_assay({"quantize", model(), "--to", "int4", "--method", "rtn", "-o", out, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  EXPECT_EQ(result["settings"]["group_size"], 32);
  EXPECT_FALSE(result["layers"].empty());
  EXPECT_LT(result["linear_bytes"], result["source_bytes"]);
  const RunResult generated =
      run_assay({"generate", out, "--prompt", "Hello", "--max-tokens", "5", "--json", "-"});
  EXPECT_EQ(generated.exit_code, 0) << generated.err;
  const json inspected = json::parse(run_assay({"inspect", out, "--json", "-"}).out, nullptr, false);
  EXPECT_EQ(inspected["format"], "GPTQ");
  EXPECT_EQ(inspected["quantization"]["bits"], 4);
}

TEST_F(TinyModel, QuantizesAsWellAsItCanAndSaysWhatEachStepDid) {
  const std::string out = (folder_ / "int2").string();
  const RunResult run = run_assay(
      {"quantize", model(), "--to", "int2", "--method", "best", "--samples", "16", "--sequence-length", "16", "-o", out, "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  EXPECT_THAT(run.err, testing::HasSubstr("effort 1, which leaves little of a model at two bits: gpt2: no gradients"));
  EXPECT_EQ(result["settings"]["sym"], false);
  EXPECT_EQ(result["settings"]["search"], "joint");
  EXPECT_EQ(result["block_errors"].size(), 2);
  std::vector<std::string> steps;
  for (const auto& step : result["layers"][0]["steps"]) steps.push_back(step["step"]);
  // A step is listed where it gained something. The rows here have one group, whose scale "refit" leaves nothing to improve.
  EXPECT_THAT(steps, testing::IsSupersetOf({"targets", "gptq", "descent", "refit"}));
}

TEST_F(TinyModel, IsSaidToBeLargelyItsEmbeddingWhereThatIsNotRounded) {
  const auto quantize = [&](const std::string& type, std::vector<std::string> more) {
    const std::string out = (folder_ / "quantized").string();
    std::filesystem::remove_all(out);
    std::vector<std::string> command{"quantize", golden("gguf/llama-quantized.gguf").string(), "--to", type, "--group-size", "32",
                                     "--method", "rtn", "-o", out};
    command.insert(command.end(), more.begin(), more.end());
    const RunResult run = run_assay(command);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  };
  EXPECT_THAT(quantize("int2", {}), testing::HasSubstr("42 % of that is the embedding, 16 bits a weight: --embeddings int8"));
  EXPECT_THAT(quantize("int2", {"--embeddings", "int8"}), testing::Not(testing::HasSubstr("hint")));
  EXPECT_THAT(quantize("int8", {}), testing::Not(testing::HasSubstr("hint"))) << "a fifth is the embedding's";
}

TEST_F(TinyModel, TrainsOnTextThatItWritesWhereNoneIsGiven) {
  const std::string out = (folder_ / "trained").string(), llama = golden("gguf/llama-quantized.gguf").string();
  const std::vector<std::string> command{"quantize", llama, "--to", "int2", "--method", "best",
                                         "--samples", "16", "--sequence-length", "16", "-o", out, "--json", "-"};
  const RunResult run = run_assay(command);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  EXPECT_THAT(run.err, testing::HasSubstr("effort 2: two bits want training"));
  EXPECT_EQ(result["settings"]["group_size"], 32);
  EXPECT_EQ(result["settings"]["solve_codes"], false);
  EXPECT_EQ(result["settings"]["calibration"]["data"], out + ".calibration.json");
  EXPECT_EQ(result["calibration_tokens"], 16 * 16);
  EXPECT_EQ(result["training"]["distillation"]["steps"], 1) << "a step of 512 tokens takes all";
  const std::string text = read_bytes(out + ".calibration.json");
  std::filesystem::remove(out + ".calibration.json");
  EXPECT_EQ(run_assay(command).exit_code, 1) << "the result is there already";
  EXPECT_FALSE(std::filesystem::exists(out + ".calibration.json")) << "and no text is written in vain";
  write_bytes(out + ".calibration.json", text);
  std::filesystem::remove_all(out);
  ASSERT_EQ(run_assay(command).exit_code, 0) << "the text is there for the next run";
  EXPECT_EQ(read_bytes(out + ".calibration.json"), text);
}

TEST_F(TinyModel, WritesTheTextForTrainingThatAFileLacks) {
  const std::string out = (folder_ / "trained").string(), llama = golden("gguf/llama-quantized.gguf").string();
  const std::string given = (folder_ / "given.json").string();
  json samples = json::array();
  for (int i = 0; i < 5; ++i) samples.push_back(std::vector<int>(16, i + 3));
  write_bytes(given, samples.dump());
  std::vector<std::string> command{"quantize", llama, "--to", "int2", "--group-size", "32", "--method", "best", "--effort", "2", "--calibration", given,
                                   "--samples", "16", "--sequence-length", "16", "-o", out, "--json", "-"};
  const RunResult filled = run_assay(command);
  ASSERT_EQ(filled.exit_code, 0) << filled.err;
  EXPECT_EQ(json::parse(filled.out, nullptr, false)["settings"]["calibration"]["data"], given + " and " + out + ".calibration.json");
  EXPECT_EQ(json::parse(filled.out, nullptr, false)["calibration_sequences"], 16);
  EXPECT_EQ(json::parse(read_bytes(out + ".calibration.json"))["samples"].size(), 11u) << "beside the 5 that are given";

  std::filesystem::remove_all(out);
  *(std::ranges::find(command, "--samples") + 1) = "17";
  const RunResult more = run_assay(command);
  ASSERT_EQ(more.exit_code, 0) << more.err;
  EXPECT_EQ(json::parse(read_bytes(out + ".calibration.json"))["samples"].size(), 12u) << "the text of the first run goes on";

  std::filesystem::remove_all(out);
  auto other_seed = command;
  other_seed.insert(other_seed.end(), {"--seed", "1"});
  const RunResult refused = run_assay(other_seed);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, testing::HasSubstr("trained.calibration.json: a file of other settings or weights is here"));

  std::filesystem::remove(out + ".calibration.json");
  command.emplace_back("--no-own-text");
  const RunResult alone = run_assay(command);
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_EQ(json::parse(alone.out, nullptr, false)["calibration_sequences"], 5);
  EXPECT_FALSE(std::filesystem::exists(out + ".calibration.json"));
}

TEST_F(TinyModel, RefusesToTrainWhatHasNoGradientsBeforeItWritesText) {
  const std::string out = (folder_ / "trained").string();
  const RunResult run = run_assay({"quantize", model(), "--to", "int2", "--method", "best", "--effort", "2", "-o", out});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, testing::HasSubstr("gpt2: no gradients for blocks with"));
  EXPECT_FALSE(std::filesystem::exists(out + ".calibration.json"));
}

TEST_F(TinyModel, TakesTheStepsThatAreNamedAlone) {
  const RunResult run = run_assay({"quantize", model(), "--to", "int3", "--method", "best", "--steps", "grid,fit", "--samples", "8",
                                   "--sequence-length", "16", "-o", (folder_ / "int3").string(), "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json result = json::parse(run.out, nullptr, false);
  EXPECT_EQ(result["settings"]["steps"], json({{"targets", false}, {"tokens", false}, {"descent", false}, {"refit", false}, {"fit", true}, {"restart", false}}));
  EXPECT_EQ(run_assay({"quantize", model(), "--to", "int3", "--method", "best", "--steps", "magic", "-o", "x"}).exit_code, 2);
}

}  // namespace
}  // namespace assay
