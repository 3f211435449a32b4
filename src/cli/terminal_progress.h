// A progress bar on standard error.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/progress.h"

namespace assay::cli {

// "measuring [=====>    ]  52 %  13/25, 0:41 left"; without an estimate before there is one. `whole_seconds`:
// what is left of the whole that the stage is part of, "...; all: 12:05". At most `width` columns.
std::string progress_line(std::string_view stage, std::int64_t done, std::int64_t total,
                          double elapsed_seconds, std::optional<double> whole_seconds, int width);

// What is left of a step that was expected to take `expected` seconds and has run for `elapsed`, and of all
// after it. `stage_left`: what the stage of it that runs has left at its own pace, which is believed where it
// is more.
double seconds_left(double expected, double elapsed, double stage_left, double later);

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

  // What follows is a step of something longer, whose time left is from now on shown with the bar: the step
  // is expected to take `seconds`, all after it `later_seconds`.
  void begin_step(double seconds, double later_seconds);
  // Whether anybody sees it.
  bool enabled() const { return enabled_; }
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
  struct Step {
    double seconds, later_seconds;
    Clock::time_point start;
  };
  std::optional<Step> step_;
};

}  // namespace assay::cli
