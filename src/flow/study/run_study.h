// A whole study: every measurement that its description asks for and that is not there yet.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "flow/study/estimate.h"
#include "flow/study/study_context.h"

namespace assay {

struct StudyFailure {
  store::Subject subject;
  std::string message;
};

struct StudyRun {
  std::int64_t planned = 0;   // measurements that the study consists of
  std::int64_t reused = 0;    // that were there already
  std::int64_t measured = 0;  // by this call
  std::vector<StudyFailure> failures;
  StudyEstimate estimate;  // of what was not there yet
};

// A measurement that is about to begin.
struct StudyStep {
  const store::Subject& subject;
  std::int64_t position = 0, of = 0;
  double seconds = 0;        // that it is expected to take
  double later_seconds = 0;  // that all after it are expected to take
};

struct StudyRunOptions {
  bool plan_only = false;   // nothing is measured or written
  store::Json environment;  // kept with every measurement
  std::string command;      // the same
  std::function<void(const StudyStep&)> announce;
};

// Takes the measurements one after the other, each a row of the store the moment it exists. Timings come in
// rounds in which every variant of a model has its turn. A measurement that fails is recorded as such and
// those that need it are left out; everything else goes on. Errors: all missing inputs in one message, before
// anything is measured (kNotFound); those of the store; kInterrupted.
Result<StudyRun> run_study(const StudyContext& context, const StudyRunOptions& options);

}  // namespace assay
