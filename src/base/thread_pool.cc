#include "base/thread_pool.h"

#include <algorithm>

#include "base/check.h"

namespace assay {
namespace {

// Long enough to bridge the gap between two operations of a forward pass, short enough not to burn a core when idle.
constexpr int kSpinsBeforeSleep = 20000;

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) : num_threads_(num_threads) {
  ASSAY_CHECK(num_threads >= 1);
  for (int thread = 1; thread < num_threads; ++thread) workers_.emplace_back([this, thread] { worker(thread); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& thread : workers_) thread.join();
}

WorkRange ThreadPool::part(int thread) const {
  const std::int64_t units = (count_ + granularity_ - 1) / granularity_;
  const std::int64_t begin = units * thread / num_threads_ * granularity_;
  const std::int64_t end = units * (thread + 1) / num_threads_ * granularity_;
  return {std::min(begin, count_), std::min(end, count_), thread};
}

void ThreadPool::parallel_for(std::int64_t count, std::int64_t granularity,
                              const std::function<void(WorkRange)>& body) {
  ASSAY_CHECK(granularity >= 1);
  if (count <= 0) return;
  if (num_threads_ == 1 || count <= granularity) {
    body({0, count, 0});
    return;
  }
  body_ = &body;
  count_ = count;
  granularity_ = granularity;
  pending_.store(num_threads_ - 1, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  const WorkRange mine = part(0);
  if (mine.begin < mine.end) body(mine);
  for (int spins = 0; pending_.load(std::memory_order_acquire) > 0; ++spins) {
    if (spins < kSpinsBeforeSleep) {
      cpu_relax();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::take_turns(std::int64_t count, const std::function<void(std::int64_t, int)>& body) {
  std::atomic<std::int64_t> next{0};
  parallel_for(std::min<std::int64_t>(count, num_threads_), 1, [&](WorkRange range) {
    for (std::int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i, range.thread);
  });
}

void ThreadPool::worker(int thread) {
  std::uint64_t seen = 0;
  while (true) {
    for (int spins = 0; spins < kSpinsBeforeSleep && generation_.load(std::memory_order_acquire) == seen; ++spins) {
      cpu_relax();
    }
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    const WorkRange mine = part(thread);
    if (mine.begin < mine.end) (*body_)(mine);
    pending_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace assay
