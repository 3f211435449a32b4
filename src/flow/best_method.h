// The method `best` of quantizing a language model: which steps it takes at which effort. docs/int2.md has
// what each adds.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flow/calibration.h"
#include "flow/quantize_llm.h"

namespace assay {

struct BestMethod {
  // 0: better grids; 1: all steps in closed form; and training, on 2: a quarter of a million tokens, half a
  // million where codes are trained too, 3: a million.
  int effort = 1;
  std::vector<std::string> steps;                        // of kBestSteps, instead of those of the effort
  bool symmetric = false;                                // grids around zero at every width
  std::optional<std::int64_t> samples, sequence_length;  // of calibration; nothing: what fits the steps
};

// The effort where nobody chooses one: 1, but 2 where only training leaves a model that works, at two bits.
// `trainable`: whether the model can be trained here (check_trainable_within).
int default_effort(int bits, bool trainable);

inline constexpr const char* kBestSteps[] = {"targets", "tokens", "grid",    "gptq",   "descent",
                                             "refit",   "fit",    "restart", "blocks", "distill"};

// Sets method and steps in `options`, and how much calibration they want. REQUIRES: options.gptq.grid.bits,
// and whatever of options.gptq is not to be the default.
void choose_best(const BestMethod& best, LlmQuantizeOptions& options, CalibrationOptions& calibration);

}  // namespace assay
