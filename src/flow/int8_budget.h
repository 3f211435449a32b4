// The smallest set of operators to keep in float so that static int8 keeps a given share of the accuracy.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "flow/evaluate_coco.h"
#include "quant/tflite/activation_ranges.h"
#include "quant/tflite/float_region.h"
#include "quant/tflite/static.h"

namespace assay {

struct Int8BudgetOptions {
  double keep = 0.99;          // of the float model's AP, in (0, 1]
  CocoEvaluationOptions data;  // the pictures that say what the accuracy is; resamples are not used
  DetectorOptions detector;
  std::int64_t probes = 8;  // pictures that sensitivity is measured on, >= 1
};

// What one region does to the outputs.
struct RegionSensitivity {
  tflite::FloatRegion region;
  double error = 0;          // of the outputs (output_error.h), where it alone is int8 and all else float
  std::optional<double> ap;  // with this region and those before it in the table in float, where measured
  bool kept = false;
};

struct Int8Budget {
  std::int64_t pictures = 0;  // that AP was measured on
  double float_ap = 0;
  double int8_ap = 0;                      // all int8 that can be
  double int8_error = 0;                   // of the outputs, all int8 that can be
  double ap = 0;                           // with the set that was found
  double target = 0;                       // keep * float_ap
  bool reached = false;                    // ap >= target; otherwise the set is the best that was measured
  std::vector<RegionSensitivity> regions;  // largest error first
  std::vector<std::string> kept;           // labels of the operators to keep in float, in no order
};

// Each region is made int8 alone, where errors are small and add up, and the outputs' error measured; regions
// are then left in float in the order of their errors, as many as the AP needs (found by doubling and
// bisection, since AP need not rise with every one), and of these each is tried without, the least useful
// first. AP of few pictures moves by more than rounding explains: with the set grows what it says. `options`:
// what else to quantize with; its keep_float holds throughout. Errors: those of quantize_static, of
// evaluate_coco and of the runtime; kInvalidArgument where the float model finds nothing (AP 0), so that no
// share of it can be kept.
Result<Int8Budget> find_int8_budget(const CheckedTflite& model,
                                    const std::shared_ptr<const litert::Library>& library,
                                    const tflite::ActivationRanges& ranges,
                                    const tflite::StaticOptions& options, const Int8BudgetOptions& budget,
                                    ThreadPool& pool, Progress& progress);

}  // namespace assay
