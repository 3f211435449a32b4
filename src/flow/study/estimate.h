// What a study will take, before it is run and while it runs.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "flow/study/study_context.h"

namespace assay {

// How long tasks take on this machine: their own estimates, corrected by what others took. A kind of
// measurement is corrected by what it took itself, the more so the longer that was, and by all others
// together as long as little of it is known. Not thread safe.
class StudyPace {
 public:
  // That `task` took so many seconds. Tasks that expect to take none are passed over.
  void learn(const StudyTask& task, double seconds);
  // That `task` is expected to take.
  double seconds(const StudyTask& task) const;
  // How many tasks it knows the time of; 0: the rates are those of another machine.
  std::int64_t learned_from() const { return learned_from_; }

 private:
  struct Rate {
    double estimated = 0, measured = 0;
  };
  std::map<std::pair<store::Task, std::string>, Rate> kinds_;
  Rate all_;
  std::int64_t learned_from_ = 0;
};

struct StudyEstimate {
  std::int64_t measurements = 0;  // still to be made
  double seconds = 0;
  std::uint64_t disk_bytes = 0;    // of the files that they write
  std::uint64_t memory_bytes = 0;  // of the largest
  // How many measurements of earlier runs in the same folder the rates were corrected with; 0: they are those
  // of another machine.
  std::int64_t calibrated_with = 0;
};

struct StudyOutlook {
  std::vector<bool> measured;  // for each task, whether the store has it
  StudyPace pace;              // learned from those
  StudyEstimate estimate;      // of the others
};

// Errors: those of the store.
Result<StudyOutlook> look_ahead(const std::vector<StudyTask>& tasks, store::Store& store);

// Seconds between two times as store::utc_now() writes them; nothing where one of them is none.
std::optional<double> seconds_between(const std::string& started, const std::string& finished);

}  // namespace assay
