// A progress bar on standard error.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/progress.h"

namespace assay::cli {

// "measuring [=====>    ]  52 %  13/25, 0:41 left"; without an estimate before there is one. At most `width`
// columns.
std::string progress_line(std::string_view stage, std::int64_t done, std::int64_t total,
                          double elapsed_seconds, int width);

// "0:41", "12:05", "3:00:00"
std::string duration_text(double seconds);

// Shows itself when a stage has taken two seconds, at most ten times a second, and leaves no trace. Silent
// unless enabled.
class TerminalProgress : public Progress {
 public:
  explicit TerminalProgress(bool enabled) : enabled_(enabled) {}
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  ~TerminalProgress() override { clear(); }

  void update(std::string_view stage, std::int64_t done, std::int64_t total) override;
  // Removes the bar, so that other text may follow.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  const bool enabled_;
  bool visible_ = false;
  std::string stage_;
  std::int64_t last_done_ = 0;
  Clock::time_point last_update_ = Clock::now();
  Clock::time_point stage_start_;
  Clock::time_point last_drawn_;
};

}  // namespace assay::cli
