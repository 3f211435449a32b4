#include "cli/terminal_progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace assay::cli {
namespace {

constexpr double kQuietSeconds = 2;
constexpr double kRedrawSeconds = 0.1;
constexpr int kBarWidth = 24;

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(std::string_view stage, std::int64_t done, std::int64_t total,
                          double elapsed_seconds, std::optional<double> whole_seconds, int width) {
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(share * kBarWidth);
  std::string bar(filled, '=');
  if (filled < kBarWidth) bar += '>';
  std::string line = fmt::format("{} [{:<{}}] {:3.0f} %  {}/{}", stage, bar, kBarWidth,
                                 std::floor(100 * share), done, total);
  if (done > 0 && done < total)
    line += fmt::format(", {} left", duration_text(elapsed_seconds * (1 - share) / share));
  if (whole_seconds) line += fmt::format("; all: {}", duration_text(*whole_seconds));
  // The last column stays free: some terminals wrap when it is written.
  if (static_cast<int>(line.size()) >= width) line.resize(static_cast<std::size_t>(std::max(0, width - 1)));
  return line;
}

double seconds_left(double expected, double elapsed, double stage_left, double later) {
  return std::max({expected - elapsed, stage_left, 0.0}) + later;
}

void TerminalProgress::begin_step(double seconds, double later_seconds) {
  step_ = Step{seconds, later_seconds, Clock::now()};
}

void TerminalProgress::update(std::string_view stage, std::int64_t done, std::int64_t total) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (stage != stage_ || done < last_done_) {
    stage_ = stage;
    stage_start_ = last_update_;  // what was done so far took time since then
  }
  last_done_ = done;
  last_update_ = now;
  const double elapsed = seconds_between(stage_start_, now);
  if (elapsed < kQuietSeconds || (visible_ && seconds_between(last_drawn_, now) < kRedrawSeconds)) return;
  std::optional<double> whole;
  if (step_) {
    const double stage_left =
        done > 0 ? elapsed * static_cast<double>(total - done) / static_cast<double>(done) : 0;
    whole =
        seconds_left(step_->seconds, seconds_between(step_->start, now), stage_left, step_->later_seconds);
  }
  fmt::print(stderr, "\r\033[K{}", progress_line(stage, done, total, elapsed, whole, terminal_width()));
  std::fflush(stderr);
  visible_ = true;
  last_drawn_ = now;
}

void TerminalProgress::clear() {
  if (!visible_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace assay::cli
