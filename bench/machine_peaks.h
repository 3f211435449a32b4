// What the machine can do, measured here: what the figures of kernels are fractions of.
#pragma once
#include <cstdint>

namespace assay {

// Processor time of this thread alone, so that other processes on the machine do not count.
double cpu_seconds();
// Bytes that do not fit into the caches: twice the last one, at least 192 MiB.
std::int64_t cold_bytes();

// Multiply-adds per second of this thread, in registers, over a fraction of a millisecond; 0 where it is not known how to
// measure that. Neighbours on the same machine can halve it: compare with what runs next to it.
double float_macs_now();
// Of bytes: VPDPBUSD where there is VNNI; else VPMADDUBSW, whose sums of 16 bits are added up.
double byte_macs_now();
// Bytes per second that `threads` threads read from memory, the best of several passes. At most 64 threads.
double peak_bandwidth(int threads);

}  // namespace assay
