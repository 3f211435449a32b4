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

struct StudyRunOptions {
  bool plan_only = false;   // nothing is measured or written
  store::Json environment;  // kept with every measurement
  std::string command;      // the same
  std::function<void(const store::Subject&, std::int64_t position, std::int64_t of)> announce;
};

// Takes the measurements one after the other, each a row of the store the moment it exists. Timings come in
// rounds in which every variant of a model has its turn. A measurement that fails is recorded as such and
// those that need it are left out; everything else goes on. Errors: all missing inputs in one message, before
// anything is measured (kNotFound); those of the store; kInterrupted.
Result<StudyRun> run_study(const StudyContext& context, const StudyRunOptions& options);

}  // namespace assay
