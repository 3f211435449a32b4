// What changed between two studies, and whether it is more than noise.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace assay {

enum class Verdict {
  kSame,   // the same figure
  kNoise,  // a difference that the spread of the measurements explains
  kLower,
  kHigher  // more than that
};
const char* to_string(Verdict verdict);

// One figure of one variant that both studies have.
struct StudyDifference {
  store::Task task = store::Task::kDetector;
  std::string model, variant;
  std::string figure;  // "size", "AP", "accuracy", "latency, 2 threads", "generate tokens/s, 2 threads", ...
  std::string unit;    // "bytes", "s", "tokens/s", or empty
  double first = 0, second = 0;
  // Two-sided, of the difference being chance; nothing for sizes, which have none.
  std::optional<double> p_value;
  Verdict verdict = Verdict::kSame;
  std::string method;  // of the verdict: "McNemar", "intervals of the medians", ...
};

struct StudyComparison {
  std::vector<StudyDifference> differences;          // in the order of the first study
  std::vector<std::string> only_first, only_second;  // "model variant figure" that one of them lacks
  std::vector<std::string> notes;                    // machines, data or settings that differ
};

// Figures: sizes (compared as they are); LAMBADA accuracy (McNemar's exact test where both answered the same
// examples, else two standard errors); AP (two standard errors of the bootstraps: the same pictures cannot be
// paired from records alone, so small differences stay unnoticed); latencies and throughputs (medians over
// all rounds; different where the 95 % bootstrap intervals of the medians do not meet). p < 0.05 counts as
// more than noise. Errors: those of the stores.
Result<StudyComparison> compare_studies(store::Store& first, store::Store& second);

}  // namespace assay
