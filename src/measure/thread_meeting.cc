#include "measure/thread_meeting.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/elapsed.h"
#include "measure/statistics.h"

namespace assay::measure {
namespace {

constexpr int kBatches = 41;  // the first does not count
constexpr int kCalls = 100;
// Where others have the processors, a meeting takes as long as their turn. No new batch after this; but a
// few.
constexpr double kMaxSeconds = 0.2;
constexpr int kLeastBatches = 4;

}  // namespace

MeetingRecord measure_thread_meeting(ThreadPool& pool) {
  // One unit of work per thread, so that every thread is called; the store keeps the body from being left
  // out.
  std::atomic<int> met{0};
  std::vector<double> seconds;
  const auto first = std::chrono::steady_clock::now();
  for (int batch = 0; batch < kBatches; ++batch) {
    if (batch >= kLeastBatches && seconds_since(first) > kMaxSeconds) break;
    const auto begin = std::chrono::steady_clock::now();
    for (int call = 0; call < kCalls; ++call) {
      pool.parallel_for(pool.num_threads(), 1,
                        [&](WorkRange range) { met.store(range.thread, std::memory_order_relaxed); });
    }
    if (batch > 0) seconds.push_back(seconds_since(begin) / kCalls);
  }
  return {median(seconds), *std::min_element(seconds.begin(), seconds.end()),
          static_cast<int>(seconds.size())};
}

}  // namespace assay::measure
