// The language model's half of `assay demo`.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/command_line.h"
#include "flow/llm_study.h"

namespace assay::cli {

struct LlmDemoOptions {
  std::string model = "smollm2-135m", out = "demo", data;
  std::optional<std::int64_t> limit;
  LlmStudyOptions study;
};

// Prints the table and gives the record: "model", "data", "rows".
Result<nlohmann::ordered_json> run_llm_demo(LlmDemoOptions options, Session& session);

}  // namespace assay::cli
