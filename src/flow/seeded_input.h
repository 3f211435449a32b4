// Inputs for timing a model, where what it sees does not matter.
#pragma once
#include "base/result.h"
#include "detect/litert/runner.h"

namespace assay {

// The same pseudo-random bytes each time (floats: whole numbers from 0 to 255; wider integers: zero, which is
// valid for indices and sizes). Errors: those of the runtime.
Status fill_inputs(litert::Runner& runner);

}  // namespace assay
