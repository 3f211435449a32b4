// What the tasks of a study share.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "detect/litert/library.h"
#include "engine/model.h"
#include "flow/study/study_spec.h"
#include "kernels/kernels.h"
#include "store/store.h"

namespace assay {

// Texts that the program carries: for studies that name no data, and the grids of countries.
struct BuiltinTexts {
  std::string_view cloze, calibration, grid;
};

// Whether what a study is made of is there.
enum class Inputs {
  kPresent,
  kSomeMissing,  // named ones are not fetched yet: for a rough plan, of which nothing can be measured
};

// Everything is borrowed and outlives the study. One study at a time.
struct StudyContext {
  const StudySpec& spec;
  std::filesystem::path folder;   // absolute; where records and models are kept
  std::filesystem::path program;  // this program's own file, to measure memory in a fresh process
  store::Store& store;
  KernelContext kernels;
  BuiltinTexts builtin;
  Progress& progress;
  Inputs inputs = Inputs::kPresent;

  // With which numbers of threads timings are taken.
  std::vector<int> timing_threads() const {
    return spec.measure.threads.empty() ? std::vector<int>{kernels.pool->num_threads()}
                                        : spec.measure.threads;
  }
};

// What a measurement is expected to take: seconds on two cores of a present-day server, to be corrected by
// what was measured (estimate.h).
struct TaskCost {
  double seconds = 0;
  std::uint64_t disk_bytes = 0, memory_bytes = 0;
};

// For the names of files: those made with other settings must not be taken for these.
inline std::string settings_id(const store::Json& settings) {
  return sha256_of(as_bytes(settings.dump())).substr(0, 8);
}

// One measurement that the study asks for.
struct StudyTask {
  store::Subject subject;
  // The figures of docs/records.md. Called only when the store has none.
  std::function<Result<store::Json>()> measure;
  TaskCost cost;
  int timed_threads = 0;  // of a timing, which may be pinned; 0: this is none
};

// The tasks of one model, in the order to be run, and what the report says of the model as a whole.
struct ModelTasks {
  std::vector<StudyTask> tasks;
  store::Json about = store::Json::object();
};

}  // namespace assay
