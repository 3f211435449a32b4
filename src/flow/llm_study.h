// One language model against its own quantizations: accuracy, speed and size of each, measured on the same data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "eval/cloze_data.h"
#include "eval/lambada.h"
#include "eval/paired.h"
#include "flow/calibration.h"
#include "flow/quantize_llm.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace assay {

struct LlmStudyOptions {
  std::vector<int> widths{8, 4, 2};        // bits of the quantizations
  LlmQuantizeOptions quantize;             // bits are replaced by each of the widths
  std::int64_t limit = 0;                  // examples; 0: all
  std::int64_t prompt_tokens = 512, generated_tokens = 64;
  int repetitions = 3;
};

// What was measured of one variant.
struct LlmStudyRow {
  std::string variant;                     // "float", "int8", ...
  bool dequantized = false;                // the "float" weights come from a file that holds quantized ones
  ModelSize size;
  eval::LambadaRecord record;
  std::vector<std::uint8_t> correct;       // per example
  double evaluation_seconds = 0;
  std::optional<double> quantization_seconds;  // nothing for the float reference
  double prompt_tokens_per_second = 0, prompt_stddev = 0;      // median and sample deviation
  double generated_tokens_per_second = 0, generated_stddev = 0;
  bool noisy = false;                      // the machine was busy with something else during the timing
  std::optional<eval::PairedRecord> against_float;
};

struct LlmStudy {
  std::vector<LlmStudyRow> rows;           // the float reference first
  bool resumed = false;                    // at least one row was measured by an earlier run
};

// Quantizes `source` into `folder`/<variant>, measures each and keeps every finished row as `folder`/<variant>.json, so that
// the same call goes on where an interrupted one stopped. Rows of other data, settings or weights are measured again.
// Before each variant `announce` hears its name.
// Errors: those of loading, quantization, evaluation and timing; kIo.
Result<LlmStudy> run_llm_study(const std::filesystem::path& source, const std::filesystem::path& folder, std::span<const eval::ClozeExample> data,
                               const CalibrationSet& calibration, const LlmStudyOptions& options, const KernelContext& kernels,
                               const std::function<void(const std::string&)>& announce, Progress& progress);

}  // namespace assay
