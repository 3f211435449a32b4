#include "flow/llm_profile.h"

namespace assay {

LlmProfile make_llm_profile(const OperationRecorder& recorder, double run_seconds, double timed_seconds,
                            std::int64_t tokens, std::uint64_t meetings,
                            const measure::MeetingRecord& meeting) {
  const auto per_token = [&](auto value) { return static_cast<double>(value) / static_cast<double>(tokens); };
  LlmProfile profile;
  profile.seconds = per_token(run_seconds);
  profile.relative_time = run_seconds / timed_seconds;
  profile.meetings = per_token(meetings);
  profile.meeting = meeting;
  double parts = 0;
  for (std::size_t i = 0; i < kNumOperations; ++i) {
    const auto operation = static_cast<Operation>(i);
    const OperationTotals& totals = recorder.of(operation);
    if (totals.seconds == 0) continue;
    parts += totals.seconds;
    profile.operations.push_back({operation, per_token(totals.seconds), totals.seconds / run_seconds,
                                  per_token(totals.calls), per_token(totals.weight_bytes),
                                  per_token(totals.kv_bytes), per_token(totals.multiply_adds)});
  }
  profile.rest_seconds = per_token(run_seconds - parts);
  profile.rest_share = (run_seconds - parts) / run_seconds;
  return profile;
}

}  // namespace assay
