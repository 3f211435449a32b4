// assay run, on a tiny GPT-2 with a vocabulary of single characters.
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/rng.h"
#include "run_binary.h"
#include "store/store.h"
#include "support/testing.h"
#include "tiny_study.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr std::uint64_t kSeed = 20;

// 3 variants: quantize, accuracy, and 2 rounds of 2 tests.
constexpr int kPlanned = 3 * (2 + 2 * 2);

TEST_F(Study, MeasuresEverythingOnce) {
  const json first = run();
  EXPECT_EQ(first["planned"], kPlanned);
  EXPECT_EQ(first["measured"], kPlanned);
  const json second = run();
  EXPECT_EQ(second["reused"], kPlanned);
  EXPECT_EQ(second["measured"], 0);
  EXPECT_EQ(records().size(), static_cast<std::size_t>(kPlanned));
}

// Of a model that can be trained; `effort` is a line of the file, or nothing.
void write_tiny_best_study(const fs::path& folder, const std::string& effort, const std::string& quantizations) {
  write_bytes(folder / "data.jsonl", "{\"text\": \"the cat sat on the mat\"}\n");
  write_bytes(folder / "study.yaml",
              "measure: {repetitions: 1, threads: [1], prompt_tokens: 8, generated_tokens: 4}\n"
              "llms:\n  - model: " + golden("gguf/llama-quantized.gguf").string() + "\n    data: {file: data.jsonl}\n"
              "    calibration: {samples: 16, sequence_length: 16}\n    group_size: 32\n    method: best\n    " + effort + "\n"
              "    quantizations: [float, " + quantizations + "]\n");
}

TEST_F(Study, TrainsVariantsOnOneTextThatTheModelWrites) {
  write_tiny_best_study(folder_.path(), "effort: 2", "int4, int2");
  run();
  int texts = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "out" / "models"))
    texts += entry.path().string().ends_with(".calibration.json") ? 1 : 0;
  EXPECT_EQ(texts, 1);
  int quantized = 0;
  for (const auto& row : records()) {
    if (row.subject.kind != "quantize" || row.subject.variant == "float") continue;
    ++quantized;
    EXPECT_EQ(row.figures.value("method", ""), "best, effort 2") << row.figures.dump();
    EXPECT_EQ(row.figures.value("calibration_tokens", 0), 16 * 16);
  }
  EXPECT_EQ(quantized, 2);
  EXPECT_EQ(run()["measured"], 0);
}

TEST_F(Study, TrainsTwoBitsUnaskedAndNoOthers) {
  write_tiny_best_study(folder_.path(), "", "int3, int2");
  run();
  std::map<std::string, std::string> methods;
  for (const auto& row : records())
    if (row.subject.kind == "quantize") methods[row.subject.variant] = row.figures.value("method", "");
  EXPECT_EQ(methods["int3"], "best, effort 1");
  EXPECT_EQ(methods["int2"], "best, effort 2");
}

TEST_F(Study, WritesNothingWhenAskedForThePlan) {
  auto all = words();
  all.insert(all.end(), {"--plan", "--json", "-"});
  const RunResult result = run_assay(all);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json told = json::parse(result.out, nullptr, false);
  EXPECT_EQ(told["planned"], kPlanned);
  EXPECT_EQ(told["measured"], 0);
  EXPECT_GT(told["estimate"]["seconds"], 0);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Study, PlansRoughlyWhatIsNotFetchedYet) {
  write_bytes(folder_ / "study.yaml", "llms:\n  - model: smollm2-135m\n");
  RunOptions options;
  options.environment["ASSAY_MODELS_DIR"] = (folder_ / "nothing").string();
  auto all = words();
  all.insert(all.end(), {"--plan", "--json", "-"});
  const RunResult result = run_assay(all, options);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json told = json::parse(result.out, nullptr, false);
  EXPECT_EQ(told["missing"].size(), 1u);
  EXPECT_EQ(told["estimate"]["rough"], true);
  EXPECT_GT(told["estimate"]["seconds"], 60);
  EXPECT_GT(told["estimate"]["memory_bytes"], 4 * 100e6);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Study, PlansWhatIsMissingEvenWhereItsSizeIsNotKnown) {
  write_bytes(folder_ / "study.yaml", "llms:\n  - model: hf:nobody/nothing\n");
  RunOptions options;
  options.environment["HF_HOME"] = (folder_ / "nothing").string();
  auto all = words();
  all.push_back("--plan");
  const RunResult result = run_assay(all, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("assay fetch hf:nobody/nothing"));
  EXPECT_THAT(result.out, HasSubstr("cannot be told yet"));
}

TEST_F(Study, MeasuresOnlyWhatAChangeOfSettingsTouches) {
  run();
  describe("[float, int8, int4]", 32, 3);
  const json more_rounds = run();
  EXPECT_EQ(more_rounds["reused"], kPlanned);
  EXPECT_EQ(more_rounds["measured"], 3 * 2);
  describe("[float, int8, int4]", 16, 2);
  const json other_groups = run();
  EXPECT_EQ(other_groups["reused"], 2 + 2 * 2) << "of float";
  EXPECT_EQ(other_groups["measured"], kPlanned - (2 + 2 * 2));
}

TEST_F(Study, TakesTimingsOfTheVariantsInTurns) {
  run();
  std::vector<std::string> order;
  for (const auto& row : records()) {
    if (row.subject.kind == "throughput" && row.subject.settings["test"] == "generate")
      order.push_back(row.subject.variant + std::to_string(row.subject.round));
  }
  EXPECT_THAT(order, testing::ElementsAre("float0", "int80", "int40", "float1", "int81", "int41"));
}

TEST_F(Study, RecordsWhereTheThreadsOfTimingsWerePinned) {
  run();
  for (const auto& row : records()) {
    const bool timing = row.subject.kind == "throughput";
    ASSERT_EQ(row.environment.contains("pinning"), timing) << row.subject.kind;
    if (timing) {
      EXPECT_THAT(row.environment["pinning"].get<std::string>(), testing::MatchesRegex("pinned to [0-9]+"));
    }
  }
}

TEST_F(Study, MeasuresTimingsAloneAnewWhenPinningIsTurnedOff) {
  run();
  describe("[float, int8, int4]", 32, 2, "off");
  EXPECT_EQ(run()["measured"], 3 * 2 * 2);
  for (const auto& row : records()) {
    if (row.subject.settings.value("pin", "") == "off") {
      EXPECT_EQ(row.environment["pinning"], "not pinned: the study has it off");
    }
  }
}

TEST_F(Study, ComparesEveryVariantWithTheReference) {
  run();
  for (const auto& row : records()) {
    if (row.subject.kind != "accuracy") continue;
    EXPECT_EQ(row.figures["examples"], 6);
    EXPECT_EQ(row.figures.contains("against_reference"), row.subject.variant != "float");
  }
}

TEST_F(Study, WritesResultsAsTheHarnessDoes) {
  run();
  const json result = json::parse(read_bytes(folder_ / "out/lambada/model-int8.json"), nullptr, false);
  const json task = result["results"]["lambada_openai"];
  for (const auto& row : records()) {
    if (row.subject.kind != "accuracy" || row.subject.variant != "int8") continue;
    EXPECT_EQ(task["acc,none"], row.figures["accuracy"].get<double>());
    EXPECT_EQ(task["perplexity,none"], row.figures["perplexity"].get<double>());
  }
  EXPECT_EQ(result["n-samples"]["lambada_openai"]["effective"], 6);
}

TEST_F(Study, RecordsAFailureGoesOnAndTriesAgain) {
  describe("[float, int8]", 48, 1);
  auto all = words();
  all.insert(all.end(), {"--json", "-"});
  for (int attempt = 0; attempt < 2; ++attempt) {
    const RunResult result = run_assay(all);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("the same command tries them again"));
    const json told = json::parse(result.out, nullptr, false);
    ASSERT_EQ(told["failures"].size(), 1u);
    EXPECT_EQ(told["failures"][0]["variant"], "int8");
    EXPECT_EQ(told["reused"], attempt == 0 ? 0 : 4) << "all of float was measured";
  }
}

TEST_F(Study, TellsEveryMistakeOfTheFileAndMeasuresNothing) {
  write_bytes(folder_ / "study.yaml", "titel: x\nllms:\n  - modell: m\n");
  const RunResult result = run_assay(words());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("study.yaml:1:1: titel: is not a key here, did you mean title?"));
  EXPECT_THAT(result.err,
              HasSubstr("study.yaml:3:5: llms[0].modell: is not a key here, did you mean model?"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Study, NamesEveryMissingInputBeforeMeasuring) {
  write_bytes(folder_ / "study.yaml", "llms:\n  - model: ./nowhere\n  - model: smollm9\n");
  const RunResult result = run_assay(words());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("nowhere"));
  EXPECT_THAT(result.err, HasSubstr("smollm9"));
  EXPECT_THAT(records(), testing::IsEmpty());
}

// What a terminal shows of the program.
std::string terminal_output(const std::vector<std::string>& arguments) {
  int terminal = -1;
  winsize size{24, 120, 0, 0};
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    std::vector<char*> words{const_cast<char*>("assay")};
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    execv(ASSAY_BINARY, words.data());
    _exit(127);
  }
  std::string shown;
  char buffer[4096];
  for (ssize_t count; (count = ::read(terminal, buffer, sizeof buffer)) > 0;)
    shown.append(buffer, static_cast<std::size_t>(count));
  ::close(terminal);
  waitpid(child, nullptr, 0);
  return shown;
}

TEST_F(Study, TellsTheTimeLeftOnATerminalOnly) {
  EXPECT_THAT(run_assay(words()).err, testing::Not(HasSubstr(" left")));
  fs::remove_all(folder_ / "out");
  EXPECT_THAT(terminal_output(words()),
              testing::ContainsRegex("\\[1/18\\] .*, about [0-9]+:[0-9][0-9] left"));
}

TEST_F(Study, RefusesAFolderThatAnotherProcessHolds) {
  const auto held = store::Store::open(folder_ / "out");
  ASSERT_THAT(held, IsOk());
  const RunResult result = run_assay(words());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("another assay process is working in this folder"));
}

// A detector of which one picture is looked at, calibrated on so many.
std::string detector_study(int samples, int repetitions) {
  return "measure: {repetitions: " + std::to_string(repetitions) +
         ", threads: [1], resamples: 2}\ndetectors:\n  - model: " +
         shared_data("models/yolox_nano/yolox_nano.tflite")->string() +
         "\n    data: {images: " + shared_data("coco/val2017")->string() +
         ", annotations: " + shared_data("coco/instances_val2017_100.json")->string() +
         ", limit: 1}\n    calibration: {images: " + shared_data("coco/train2017")->string() +
         ", samples: " + std::to_string(samples) + "}\n    quantizations: [float32, int8]\n";
}

TEST_F(Study, KeepsTheFilesOfOtherSettingsApart) {
  if (!shared_data("models/yolox_nano/yolox_nano.tflite") || !fs::exists(ASSAY_LITERT_BUILD_PATH))
    GTEST_SKIP() << "needs libLiteRt.so and ../shared";
  const auto int8_files = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "out/models")) {
      const std::string name = entry.path().filename().string();
      if (name.find("int8") != std::string::npos) files[name] = read_bytes(entry.path());
    }
    return files;
  };
  write_bytes(folder_ / "study.yaml", detector_study(1, 1));
  run();
  const auto before = int8_files();
  ASSERT_EQ(before.size(), 1u);
  write_bytes(folder_ / "study.yaml", detector_study(2, 1));
  run();
  const auto both = int8_files();
  EXPECT_EQ(both.size(), 2u);
  // What was measured with the first settings counts again, so its file must still be the one it was measured
  // on.
  EXPECT_EQ(both.count(before.begin()->first), 1u);
  EXPECT_TRUE(both.at(before.begin()->first) == before.begin()->second);
}

TEST_F(Study, LosesAndRepeatsNothingWhenItIsKilledFiftyTimes) {
  describe("[float, int8, int4]", 32, 20);
  const auto arguments = words();
  Rng rng(kSeed);
  std::set<std::pair<std::string, std::string>> seen;  // key and when it was measured
  for (int attempt = 0; attempt < 50; ++attempt) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const int null = ::open("/dev/null", O_WRONLY);
      dup2(null, STDERR_FILENO);
      dup2(null, STDOUT_FILENO);
      execl(ASSAY_BINARY, "assay", arguments[0].c_str(), arguments[1].c_str(), arguments[2].c_str(),
            arguments[3].c_str(), arguments[4].c_str(), nullptr);
      _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + rng.below(120)));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (!fs::exists(folder_ / "out" / store::kFileName)) continue;
    std::set<std::pair<std::string, std::string>> now;
    auto records = store::Store::open(folder_ / "out");
    ASSERT_THAT(records, IsOk()) << "seed " << kSeed << " attempt " << attempt;
    ASSERT_FALSE(records->set_aside().has_value());
    const auto rows = records->all();
    ASSERT_THAT(rows, IsOk());
    for (const auto& row : *rows) now.emplace(row.subject.key(), row.started);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), seen.begin(), seen.end()))
        << "seed " << kSeed << " attempt " << attempt;
    seen = std::move(now);
  }
  const json last = run();
  EXPECT_EQ(last["planned"], 3 * (2 + 20 * 2));
  EXPECT_EQ(last["reused"], seen.size());
  EXPECT_EQ(records().size(), static_cast<std::size_t>(last["planned"]));
}

}  // namespace
}  // namespace assay
