// The loop that reads memory as fast as one thread can.
#pragma once
#include <cstdint>
#include <span>

#include "base/cpu_features.h"

namespace assay::measure {

struct ReadKernel {
  const char* name;
  // The sum modulo 2^64 of count >= 0 words. Alignment: that of a word. Thread safe.
  std::uint64_t (*sum_words)(const std::uint64_t* words, std::int64_t count);
};

// Those that this processor can run, the fastest last; never empty.
std::span<const ReadKernel> runnable_read_kernels(const CpuFeatures& features);
inline const ReadKernel& select_read_kernel(const CpuFeatures& features) {
  return runnable_read_kernels(features).back();
}

}  // namespace assay::measure
