// The operations of a language model as `assay bench --operators` shows them.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "flow/bench_llm.h"

namespace assay::cli {

// REQUIRES: row.profile.
std::string profile_text(const LlmBenchRow& row);

// Seconds, bytes and multiply-adds are per token.
nlohmann::ordered_json profile_json(const LlmProfile& profile,
                                    std::optional<double> bandwidth_bytes_per_second);

}  // namespace assay::cli
