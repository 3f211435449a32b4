// What a study will take, before it is run.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "flow/study/study_context.h"

namespace assay {

struct StudyEstimate {
  std::int64_t measurements = 0;  // still to be made
  double seconds = 0;
  std::uint64_t disk_bytes = 0;    // of the files that they write
  std::uint64_t memory_bytes = 0;  // of the largest
  // How many measurements of earlier runs in the same folder the rates were corrected with; 0: they are those
  // of another machine.
  std::int64_t calibrated_with = 0;
};

// Sums the costs of the tasks that the store does not have. Rates per kind of measurement are corrected by
// what those that it has took against their own estimates; kinds never measured here by the median correction
// of the others. Errors: those of the store.
Result<StudyEstimate> estimate_study(const std::vector<StudyTask>& tasks, store::Store& store);

// Seconds between two times as store::utc_now() writes them; nothing where one of them is none.
std::optional<double> seconds_between(const std::string& started, const std::string& finished);

}  // namespace assay
