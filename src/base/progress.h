// How long work tells of its progress, without knowing who listens.
#pragma once
#include <cstdint>
#include <string_view>

namespace assay {

// Implemented by the command line (a bar with ETA) and by tests; library code only calls it.
// Thread safety: called from the thread that does the work.
class Progress {
 public:
  virtual ~Progress() = default;
  // `done` of `total` units of `stage` are finished. total > 0; done never falls within a stage.
  virtual void update(std::string_view stage, std::int64_t done, std::int64_t total) = 0;
};

// For callers who do not want to hear.
class NoProgress : public Progress {
 public:
  void update(std::string_view, std::int64_t, std::int64_t) override {}
};

}  // namespace assay
