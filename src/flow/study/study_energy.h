// What one picture or token costs in energy, measured or, where the user gives a power model, estimated.
#pragma once
#include <functional>
#include <optional>

#include "base/result.h"
#include "store/record.h"

namespace assay {

// Whether this machine counts its energy (RAPL) and lets us read it.
bool counts_energy();

// Runs `once`, which does `units` of work, for at least two seconds. The figures of `energy` in
// docs/records.md. Measured where counts_energy(): the whole machine's energy, what else runs included.
// Otherwise estimated: processor time of this process times `watts_per_core`, which the user has to give.
// What idle GPUs took meanwhile is told apart and in no other figure. Errors: those of `once`; kUnsupported
// where neither is to be had.
Result<store::Json> measure_energy(const std::function<Status()>& once, double units,
                                   std::optional<double> watts_per_core);

}  // namespace assay
