// A made-up study for tests: no figure in it was measured. Everything is named "synthetic".
#pragma once
#include <string>
#include <vector>

#include "store/store.h"

namespace assay::report {

struct SyntheticOptions {
  int detectors = 2;
  int llms = 2;
  int rounds = 5;
  bool with_failure = false;  // the last variant of each model has no accuracy, but a reason
  bool with_energy = false;   // measured for detectors, estimated for language models
  std::string name_suffix;    // of every model
  std::string drawing;        // a picture's path relative to the folder, for `drawing` rows; empty: none
};

// In the order of the plan. The same options give the same rows.
std::vector<store::Measurement> synthetic_measurements(const SyntheticOptions& options);
store::Json synthetic_description(const SyntheticOptions& options);

// Writes both into the store of `folder`.
Status write_synthetic_study(const std::filesystem::path& folder, const SyntheticOptions& options);

}  // namespace assay::report
