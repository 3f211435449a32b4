#include "measure/thread_meeting.h"

#include "support/testing.h"

namespace assay::measure {
namespace {

TEST(ThreadMeeting, MeetsInEveryCallAndTakesTime) {
  ThreadPool pool(2);
  const MeetingRecord record = measure_thread_meeting(pool);
  EXPECT_GE(pool.meetings(), 100u * static_cast<std::uint64_t>(record.batches));
  EXPECT_GT(record.min_seconds, 0);
  EXPECT_LE(record.min_seconds, record.median_seconds);
}

TEST(ThreadMeeting, OneThreadMeetsNobody) {
  ThreadPool pool(1);
  EXPECT_GT(measure_thread_meeting(pool).median_seconds, 0);
  EXPECT_EQ(pool.meetings(), 0u);
}

}  // namespace
}  // namespace assay::measure
