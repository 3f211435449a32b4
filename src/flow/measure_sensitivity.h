// Measures what quantizing one layer alone does to a model's predictions.
#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "engine/model.h"
#include "flow/calibration.h"
#include "flow/sensitivities.h"
#include "kernels/kernels.h"
#include "quant/llm/gptq.h"

namespace assay {

struct SensitivityOptions {
  std::vector<LayerBits> formats{{2, 64}, {2, 32}, {3, 64}, {3, 32}, {4, 64}, {4, 32}, {8, 64}};
  std::size_t measured = 0;  // index of the format whose divergence is measured
  GptqOptions gptq;          // all but bits and group size
};

// Of every matrix of the blocks: solves GPTQ in every format on the second moments of the float model's
// inputs, puts the measured format's result in the layer's place and compares the predictions for the probe,
// a text that the calibration must not contain, with the float model's. The other formats are known by their
// output error, since the divergence of a small perturbation grows as its square. `model` is as before
// afterwards, also after an error. Costs a pass over the calibration set, a solution per layer and format,
// and on average half a pass over the probe per layer. Keeps in memory the logits of the probe and the
// residual stream of both sets. After each block the finished layers are stored in `path`, from where a later
// call with the same model, data and options goes on. The result does not depend on the number of threads.
// Errors: kInvalidArgument (options; a probe with nothing to predict; another run's `path`), those of the
// solver with the layer's name, kIo, kInterrupted.
Result<Sensitivities> measure_sensitivity(LanguageModel& model, const CalibrationSet& calibration,
                                          const CalibrationSet& probe, const SensitivityOptions& options,
                                          const std::filesystem::path& path, const KernelContext& kernels,
                                          Progress& progress);

}  // namespace assay
