// How much memory this process holds.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace assay::measure {

// In bytes of physical memory. Pages of mapped files that were read count while they are resident.
struct MemoryUsage {
  std::uint64_t resident_bytes = 0;       // VmRSS
  std::uint64_t peak_resident_bytes = 0;  // VmHWM: since the start of the process or the last reset
};

// Of this process. Errors: kUnsupported where the system has no /proc/self/status or it lacks the fields.
Result<MemoryUsage> read_memory_usage();

// The peak starts anew from what is resident now. Errors: kUnsupported where /proc/self/clear_refs cannot be
// written (not permitted in some containers): then peaks are since the start of the process.
Status reset_peak_memory();

// The content of /proc/<pid>/status.
Result<MemoryUsage> parse_process_status(std::string_view text);

}  // namespace assay::measure
