// A fixed set of threads that split a range into equal contiguous parts, or take turns at it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace assay {

// The part [begin, end) that one thread works on.
struct WorkRange {
  std::int64_t begin;
  std::int64_t end;
  int thread;  // in [0, num_threads)
};

// parallel_for has a static partition: which indices a thread gets depends on the range and the number of threads alone, so a body whose
// result for an index does not depend on the partition gives the same bits for any number of threads.
// Thread safety: both must be called from one thread at a time and not from inside of a body.
class ThreadPool {
 public:
  // num_threads >= 1 counts the calling thread, which works too.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }
  // How many calls of parallel_for have made the threads meet so far: not those that ran on the calling
  // thread alone. To be read by the thread that calls parallel_for.
  std::uint64_t meetings() const { return generation_.load(std::memory_order_relaxed); }

  // Calls `body` at most once per thread, parts being multiples of `granularity` long (the last may be shorter);
  // returns when all are done. Empty ranges call nothing. The body must not throw.
  void parallel_for(std::int64_t count, std::int64_t granularity, const std::function<void(WorkRange)>& body);

  // body(i, thread) for every i in [0, count), each thread taking the next i when it is free: for parts of unlike cost, or
  // threads that others slow down. Which thread gets an i is left to chance, so what is done for it must not depend on
  // that, nor on `thread`, which is for scratch memory. Each turn costs an atomic addition and a call. Otherwise as parallel_for.
  void take_turns(std::int64_t count, const std::function<void(std::int64_t, int)>& body);

 private:
  void worker(int thread);
  WorkRange part(int thread) const;

  const int num_threads_;
  std::vector<std::thread> workers_;
  const std::function<void(WorkRange)>* body_ = nullptr;
  std::int64_t count_ = 0;
  std::int64_t granularity_ = 1;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> pending_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace assay
