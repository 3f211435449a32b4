// Where the time of a language model goes: one run of a test, operation by operation.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine/operation_recorder.h"
#include "measure/thread_meeting.h"

namespace assay {

// Of one kind of operation, per token of the test. A prompt reads weights once for all of its tokens, so the
// bytes of a token are that part of them.
struct OperationShare {
  Operation operation = Operation::kEmbedding;
  double seconds = 0;
  double share = 0;  // of the whole run
  double calls = 0;
  double weight_bytes = 0;  // as stored
  double kv_bytes = 0;
  double multiply_adds = 0;
  double bytes_per_second() const { return seconds > 0 ? (weight_bytes + kv_bytes) / seconds : 0; }
  double multiply_adds_per_second() const { return seconds > 0 ? multiply_adds / seconds : 0; }
};

// The profiled run is none of the timed ones: it reads the clock twice for each operation.
struct LlmProfile {
  double seconds = 0;                      // per token, the whole run
  double relative_time = 0;                // of the run, to the median of the timed runs
  std::vector<OperationShare> operations;  // those that ran, in the order of a forward pass
  double rest_seconds =
      0;  // the whole less the operations: memory for activations, the way between operations
  double rest_share = 0;
  double meetings = 0;             // of the threads, per token
  measure::MeetingRecord meeting;  // what one costs, measured apart with nothing to do
  double meeting_share() const { return seconds > 0 ? meetings * meeting.median_seconds / seconds : 0; }
};

// run_seconds and timed_seconds: of the profiled run and the median of the timed ones, for all tokens.
// meetings: of the profiled run. REQUIRES: tokens >= 1, run_seconds and timed_seconds > 0.
LlmProfile make_llm_profile(const OperationRecorder& recorder, double run_seconds, double timed_seconds,
                            std::int64_t tokens, std::uint64_t meetings,
                            const measure::MeetingRecord& meeting);

}  // namespace assay
