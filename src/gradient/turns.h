// Work of several jobs as one list of turns, which threads take when they are free. Private to the products.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay {

// How many pieces of `length` cover `size`, the last one perhaps shorter.
inline std::int64_t pieces(std::int64_t size, std::int64_t length) { return (size + length - 1) / length; }

class Turns {
 public:
  void add_job(std::int64_t turns) { ends_.push_back(count() + turns); }
  std::int64_t count() const { return ends_.empty() ? 0 : ends_.back(); }

  struct Place {
    std::size_t job;
    std::int64_t turn;  // among the job's own
  };
  // REQUIRES: 0 <= turn < count().
  Place find(std::int64_t turn) const {
    const auto job = static_cast<std::size_t>(std::ranges::upper_bound(ends_, turn) - ends_.begin());
    return {job, job == 0 ? turn : turn - ends_[job - 1]};
  }

 private:
  std::vector<std::int64_t> ends_;
};

}  // namespace assay
