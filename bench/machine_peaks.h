// What the machine can do, measured here: what the figures of kernels are fractions of.
#pragma once
#include <cstdint>

namespace assay {

// Processor time of this thread alone, so that other processes on the machine do not count.
double cpu_seconds();
// Bytes that do not fit into the caches: twice the last one, at least 192 MiB.
std::int64_t cold_bytes();

// Best of many short runs, of one thread, in registers; 0 where it is not known how to measure it.
double peak_flops();  // float multiply-adds, two operations each, per second
// Multiply-adds of bytes per second: VPDPBUSD where there is VNNI; else VPMADDUBSW, whose sums of 16 bits are added up.
double peak_byte_macs();
// Bytes per second that `threads` threads read from memory, the best of several passes. At most 64 threads.
double peak_bandwidth(int threads);

}  // namespace assay
