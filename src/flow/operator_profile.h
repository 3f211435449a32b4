// Where the time of an inference goes: which operators XNNPACK took, and what each kernel costs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/tflite_runner.h"

namespace assay {

// An operator that a built-in kernel of the runtime computes, because XNNPACK did not take it.
struct BuiltinOperator {
  std::string label;   // "STRIDED_SLICE name/of/output"
  double seconds = 0;  // mean of the profiled runs
};

struct KernelGroup {
  std::string name;  // as the runtime calls it
  bool xnnpack = false;
  std::uint64_t calls = 0;  // in one inference
  double seconds = 0;       // of all of them in one inference, mean of the profiled runs
};

struct OperatorProfile {
  std::uint64_t operators = 0;           // of the main subgraph
  std::vector<BuiltinOperator> builtin;  // slowest first; the others XNNPACK took
  std::vector<KernelGroup> kernels;      // slowest first
  double seconds = 0;                    // of all kernels in one inference
  double builtin_share() const;          // of `seconds`, from 0 to 1
};

// Profiles a few inferences on seeded inputs (seeded_input.h) after a warm-up. Profiling takes memory and a
// few percent of the time, so this is apart from any timing. Errors: those of the runtime.
Result<OperatorProfile> profile_operators(const CheckedTflite& model,
                                          const std::shared_ptr<const litert::Library>& library, int threads);

}  // namespace assay
