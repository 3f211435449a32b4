// A layer rounded as well as closed forms can: GPTQ towards shifted targets, then codes, scales and zeros improved in turn against
// the exact error of the layer's outputs on the calibration inputs. Every step is kept only where it helps.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "quant/llm/gptq.h"
#include "quant/llm/target.h"

namespace assay {

// Which steps are taken; GPTQ itself always is.
struct ClosedFormOptions {
  bool targets = true;   // target.h: match the float model's outputs
  bool descent = true;   // coordinate_descent.h
  bool refit = true;     // group_refit.h
  bool fit = true;       // scale_fit.h
  bool restart = true;   // GPTQ once more on the grids found, improved in turn; each row keeps the better of both
  std::optional<double> target_strength;  // within [0, 1]; nothing: the best on held-out inputs
  // Added to H's diagonal in all steps but GPTQ, in units of each entry. Calibration inputs are few beside the entries of H, and
  // errors that only seem to cancel in them do not on other inputs.
  double shrinkage = 0.3;
  int max_rounds = 12;   // of descent, refit and fit in turn; ends when a round gains less than min_gain of the error
  double min_gain = 0.005;
  int max_restarts = 1;  // restart ends likewise; the second gains a third of the first
};

// What a step did to the error, relative to tr(W H W^T). Errors of different steps are of the same targets but for the first,
// "targets", which tells the error that W itself has on the inputs that layers before it changed.
struct StepReport {
  std::string step;
  double before = 0, after = 0;  // on calibration inputs
  bool kept = true;
};

struct ClosedFormResult {
  GptqResult gptq;            // the final matrix; error: against the targets
  double target_strength = 0;
  std::vector<StepReport> steps;
  std::optional<double> held_out_error;  // of the outputs on held-out inputs, but for what no weights could change
};

// kInvalidArgument naming the option that is out of range.
Status check_closed_form_options(const ClosedFormOptions& options);

// factor: of `moments.hessian`, made with the same gptq options. held_out: moments of inputs that `moments` has not seen, or
// nullptr, in which case targets are shifted only by a given strength.
// Errors: those of quantize_gptq, kInvalidArgument for act-order without static groups, whose columns move.
// Same bits for any number of threads. REQUIRES: shapes agree; use_single_threaded_blas() was called.
Result<ClosedFormResult> quantize_closed_form(MatrixView<const float> w, const HessianFactor& factor, const LayerMoments& moments,
                                              const LayerMoments* held_out, const GptqOptions& gptq,
                                              const ClosedFormOptions& options, ThreadPool& pool);

}  // namespace assay
