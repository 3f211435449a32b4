// Keeping the threads of a timing on processors of their own.
#pragma once
#include <sched.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace assay::measure {

// A logical processor and the physical core that it is part of. Processors of one core share its arithmetic
// units, so two threads on them are slower than on two cores.
struct Processor {
  int number = 0;
  int package = 0, core = 0;
};

// The first `count` processors that are all of different cores, in the order given; nothing where there are
// fewer. REQUIRES: count >= 1.
std::optional<std::vector<int>> choose_processors(const std::vector<Processor>& allowed, int count);

// While it lives, the calling thread and every thread that it starts run only on `threads` processors, each
// of a physical core of its own, out of those that the process may use (sched_setaffinity). Threads that
// exist already stay where they are: pools must be made after it. The destructor gives the calling thread
// back what it had before. Where that is not possible, nothing is changed, and description() says why. Not
// thread safe; to be destroyed by the thread that made it.
class Pinning {
 public:
  // `root` is put before /sys, for tests. REQUIRES: threads >= 1.
  explicit Pinning(int threads, const std::filesystem::path& root = "/");
  ~Pinning();
  Pinning(const Pinning&) = delete;
  Pinning& operator=(const Pinning&) = delete;

  bool pinned() const { return before_.has_value(); }
  // "pinned to 0,1", or "not pinned: 4 threads, but 2 physical cores may be used"
  const std::string& description() const { return description_; }

 private:
  std::optional<cpu_set_t> before_;
  std::string description_;
};

}  // namespace assay::measure
