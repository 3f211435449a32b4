// Whether one .tflite model runs faster than another on this machine.
#pragma once
#include <memory>

#include "base/progress.h"
#include "base/result.h"
#include "flow/tflite_runner.h"

namespace assay {

struct SpeedComparison {
  int rounds = 0;  // each runs both models once
  double first_median_seconds = 0, second_median_seconds = 0;
  double first_min_seconds = 0, second_min_seconds = 0;
  // By median and by minimum, which other load on the machine disturbs differently; 5 % is what two equal
  // models can differ by.
  bool second_is_slower() const;
};

// Inferences of both in turn on seeded inputs (seeded_input.h), after a warm-up: for about two seconds, but
// not less than 5 and not more than 100 rounds. threads >= 1. Errors: those of the runtime; kInterrupted.
Result<SpeedComparison> compare_speed(const CheckedTflite& first, const CheckedTflite& second,
                                      const std::shared_ptr<const litert::Library>& library, int threads,
                                      Progress& progress);

}  // namespace assay
