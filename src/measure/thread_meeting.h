// What it costs that the threads of a pool meet.
#pragma once
#include "base/thread_pool.h"

namespace assay::measure {

struct MeetingRecord {
  double median_seconds = 0;  // per call, over batches of calls
  double min_seconds = 0;     // what it takes undisturbed
  int batches = 0;
};

// Times calls of parallel_for that have nothing to do, after some that do not count: a few milliseconds. With
// one thread there is no meeting, and the call itself remains.
MeetingRecord measure_thread_meeting(ThreadPool& pool);

}  // namespace assay::measure
