// Quantizes a language model block by block into a GPTQ checkpoint folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "flow/calibration.h"
#include "flow/tune_llm.h"
#include "kernels/kernels.h"
#include "quant/llm/allocate_bits.h"
#include "quant/llm/closed_form.h"
#include "quant/llm/gptq.h"

namespace assay {

// kBest: GPTQ with the steps of quant/llm/closed_form.h; one of eight calibration sequences is held out to judge them. Or, to be
// trained, rounding to nearest: see solve_codes.
enum class LlmMethod { kRtn, kGptq, kBest };
const char* to_string(LlmMethod method);

struct LlmQuantizeOptions {
  LlmMethod method = LlmMethod::kGptq;
  GptqOptions gptq;                    // bits, sym, search, group size, order, damping; RTN reads grid and group size
  std::map<std::string, LayerBits> layers;  // by the name of the linear; all others are as `gptq` says
  ClosedFormOptions closed_form;       // kBest only
  bool solve_codes = true;             // kBest only; false: every weight to the nearest value of a grid that the float model's inputs
                                       // weigh, and closed_form is not read: codes that make up for each other's errors hold training back
  bool equal_tokens = true;            // kBest only: the error of what a block adds counts in units of the residual stream, per token
  bool true_sequential = true;         // o sees quantized q, k, v; down sees quantized gate and up
  std::optional<int> embedding_bits;   // 8 or 4: embedding and head, too, round to nearest; other loaders cannot read it
  std::uint64_t activation_memory_bytes = std::uint64_t{4} << 30;  // calibration activations beyond this go to disk
  std::optional<TuneOptions> tune;     // train the quantized blocks afterwards; needs calibration data, of which what comes before uses the first 65,536 tokens
  bool restart = false;                // forget what an interrupted run left
};

// Whether codes are solved for towards the float model's outputs, which needs its activations too.
inline bool solves_codes(const LlmQuantizeOptions& options) { return options.method == LlmMethod::kBest && options.solve_codes; }

// The settings of the linear `name`.
GptqOptions gptq_options_of(const LlmQuantizeOptions& options, const std::string& name);

// Whether quantize_llm looks at calibration data.
bool needs_calibration(const LlmQuantizeOptions& options);

struct LayerReport {
  std::string name;
  int bits = 0;
  std::int64_t rows = 0, cols = 0;
  double weight_error = 0;             // ||W - Q|| / ||W||
  std::optional<double> output_error;  // relative squared error of the layer's outputs on the calibration inputs
  double damp_used = 0;
  int damp_retries = 0;                // above 0: H was not positive definite at the damping asked for
  double seconds = 0;                  // of the solver
  std::optional<double> target_strength;  // kBest: how far targets were shifted, and what each step did
  std::vector<StepReport> steps;
  std::optional<double> held_out_error;   // relative squared error of the outputs on held-out inputs, but for a constant
};

struct BlockReport {
  std::vector<LayerReport> layers;
  std::optional<double> held_out_error;   // kBest: mean over held-out tokens of |h - h_float|^2 / |h_float|^2 behind the block
};

struct LlmQuantizeReport {
  std::vector<LayerReport> layers;
  std::vector<double> block_errors;    // kBest: BlockReport::held_out_error of each block
  std::int64_t calibration_sequences = 0, calibration_tokens = 0;
  std::int64_t resumed_blocks = 0;     // taken over from an interrupted run
  std::optional<TuneReport> tuning;
  double seconds = 0;
  ModelSize size;                      // as the folder stores it: float16 scales, packed zero points
  std::uint64_t output_bytes = 0;      // of the .safetensors file
};

// Every error of quantize_llm that settings, model and `out` alone decide, for callers that have much to do before they call it.
Status check_quantize_llm(const LanguageModel& model, const std::filesystem::path& out, const LlmQuantizeOptions& options, const KernelContext& kernels);

// Quantizes `model` in place and writes the folder `out`: config.json, quantize_config.json, model.safetensors and the
// tokenizer's files of `source` (the path the model was loaded from). Checkpoint format v1 for symmetric grids, v2 for asymmetric ones.
// `out` must not exist or be empty. Finished blocks are kept in `out`.partial, from which the same call with the same settings
// goes on; other settings there are refused unless options.restart. The result does not depend on the number of threads.
// Errors: kInvalidArgument (settings; an output that exists), kUnsupported (a layer whose sizes the format cannot hold; a
// model that is quantized already), kCorrupt (NaN weights, by layer), kIo, kInterrupted.
Result<LlmQuantizeReport> quantize_llm(LanguageModel& model, const std::filesystem::path& source, const std::filesystem::path& out,
                                       const CalibrationSet& calibration, const LlmQuantizeOptions& options,
                                       const KernelContext& kernels, Progress& progress);

}  // namespace assay
