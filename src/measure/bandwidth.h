// How fast this machine reads memory: the ceiling of token generation, which reads every weight once per
// token.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"

namespace assay::measure {

struct BandwidthOptions {
  // 0: the larger of 512 MiB and four times all last-level caches together.
  std::uint64_t array_bytes = 0;
  // No new repetition after this, filling the array included; but at least 3 repetitions.
  double max_seconds = 2.0;
};

struct BandwidthRecord {
  int threads = 0;
  std::uint64_t array_bytes = 0;
  int repetitions = 0;
  double best_bytes_per_second = 0;    // the ceiling to compare with
  double median_bytes_per_second = 0;  // far below best: the machine was busy
  std::string kernel;                  // "avx2" or "baseline"
};

// Reads an array of random words with all threads of the pool, each its own part, which that thread has first
// written (so that on several NUMA nodes memory is local). The sum of what was read is checked against what
// was written.
// Errors: kResourceLimit if the array cannot be had (wanted > half of the memory that is free),
// kInvalidArgument if array_bytes is below 1 MiB per thread.
Result<BandwidthRecord> measure_read_bandwidth(ThreadPool& pool, const BandwidthOptions& options = {});

}  // namespace assay::measure
