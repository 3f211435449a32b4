// Several models timed in turns, so that what slows the machine down for a while slows all of them.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/progress.h"
#include "base/result.h"
#include "flow/tflite_runner.h"

namespace assay {

struct TimedModel {
  const CheckedTflite* model;
  ByteView input;  // of the only input; the same in every run
};

struct RoundOptions {
  std::vector<int> threads{1};    // each >= 1; each gets rounds of its own
  int rounds = 7;                 // A B C, A B C, ...; >= 2
  double seconds_per_turn = 0.3;  // of one model in one round, at least one run
};

// Of one model with one number of threads. A run is the inference alone.
struct RoundTimes {
  int threads = 0;
  int runs = 0;               // all rounds together
  double median_seconds = 0;  // of all runs
  double p90_seconds = 0;
  double deviation_seconds = 0;  // sample deviation of the rounds' medians
  bool noisy = false;            // others used the machine: in the mean over the rounds more than kNoisyShare
};

// By model, then by number of threads. Two runs of each turn do not count. Errors: kInvalidArgument (options
// out of range, models that do not take exactly one input of this size), kInterrupted, those of the runtime.
Result<std::vector<std::vector<RoundTimes>>> time_in_rounds(std::span<const TimedModel> models,
                                                            std::shared_ptr<const litert::Library> library,
                                                            const RoundOptions& options, Progress& progress);

}  // namespace assay
