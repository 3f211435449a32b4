// A study of a tiny GPT-2 with a vocabulary of single characters: seconds to measure.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_binary.h"
#include "store/store.h"
#include "support/testing.h"
#include "tiny_model.h"

namespace assay {

class Study : public testing::Test {
 protected:
  Study() {
    make_tiny_model(folder_ / "model");
    std::string data, text;
    for (int i = 0; i < 6; ++i)
      data += R"({"text": "abc)" + std::string(1, static_cast<char>('A' + i)) +
              R"( x"})"
              "\n";
    for (int i = 0; i < 200; ++i) text += static_cast<char>('!' + i % 80);
    write_bytes(folder_ / "data.jsonl", data);
    write_bytes(folder_ / "text.txt", text);
    describe("[float, int8, int4]", 32, 2);
  }

  void describe(const std::string& variants, int group_size, int repetitions,
                const std::string& pin = "auto") {
    write_bytes(folder_ / "study.yaml",
                "measure: {repetitions: " + std::to_string(repetitions) + ", pin: " + pin +
                    ", threads: [1], prompt_tokens: 8, generated_tokens: 4}\n"
                    "llms:\n  - model: ./model\n    data: {file: data.jsonl}\n"
                    "    calibration: {file: text.txt, samples: 2, sequence_length: 16}\n"
                    "    group_size: " +
                    std::to_string(group_size) + "\n    quantizations: " + variants + "\n");
  }
  std::vector<std::string> words() const {
    return {"run", (folder_ / "study.yaml").string(), "-o", (folder_ / "out").string(), "--no-report"};
  }
  nlohmann::json run() const {
    auto all = words();
    all.insert(all.end(), {"--json", "-"});
    const RunResult result = run_assay(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }
  std::vector<store::Measurement> records() const {
    auto records = store::Store::open_to_read(folder_ / "out");
    EXPECT_THAT(records, IsOk());
    auto rows = records->all();
    EXPECT_THAT(rows, IsOk());
    return *std::move(rows);
  }
  TempDir folder_;
};

}  // namespace assay
