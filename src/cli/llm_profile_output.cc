#include "cli/llm_profile_output.h"

#include <fmt/format.h>

#include "cli/text.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

std::string microseconds(double seconds) { return fmt::format("{:.1f}", 1e6 * seconds); }
std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

// "-" for nothing, which is not the same as little.
std::string scaled(double value, double unit) {
  return value > 0 ? fmt::format("{:.2f}", value / unit) : "-";
}

std::string overhead_text(const LlmProfile& profile) {
  std::string text = fmt::format(
      "One run of its own, which took {:.2f} of the median of the timed runs; rest is the whole less the "
      "operations.\n",
      profile.relative_time);
  if (profile.meetings > 0) {
    text += fmt::format(
        "Threads meet {:.0f} times per token; a meeting with nothing to do takes {:.2f} us (median of {} "
        "batches, best {:.2f}), "
        "together {} of the time, which is part of the operations above.\n",
        profile.meetings, 1e6 * profile.meeting.median_seconds, profile.meeting.batches,
        1e6 * profile.meeting.min_seconds, percent(profile.meeting_share()));
  }
  return text;
}

}  // namespace

std::string profile_text(const LlmBenchRow& row) {
  using enum TextTable::Align;
  const LlmProfile& profile = *row.profile;
  TextTable table({{"operation"},
                   {"us per token", kRight},
                   {"share", kRight},
                   {"calls", kRight},
                   {"weights MB", kRight},
                   {"KV MB", kRight},
                   {"M multiply-adds", kRight},
                   {"GB/s", kRight},
                   {"of bandwidth", kRight},
                   {"GMAC/s", kRight}});
  for (const auto& part : profile.operations) {
    const double bytes = part.bytes_per_second();
    table.add_row(
        {std::string(name(part.operation)), microseconds(part.seconds), percent(part.share),
         fmt::format("{:.4g}", part.calls), scaled(part.weight_bytes, 1e6), scaled(part.kv_bytes, 1e6),
         scaled(part.multiply_adds, 1e6), scaled(bytes, 1e9),
         bytes > 0 && row.bandwidth_bytes_per_second ? percent(bytes / *row.bandwidth_bytes_per_second) : "-",
         scaled(part.multiply_adds_per_second(), 1e9)});
  }
  table.add_row(
      {"rest", microseconds(profile.rest_seconds), percent(profile.rest_share), "", "", "", "", "", "", ""});
  table.add_row({"whole", microseconds(profile.seconds), percent(1), "", "", "", "", "", "", ""});
  return fmt::format("{}, {} thread{}\n", row.test, row.threads, row.threads > 1 ? "s" : "") +
         table.render() + overhead_text(profile);
}

ordered_json profile_json(const LlmProfile& profile, std::optional<double> bandwidth_bytes_per_second) {
  ordered_json operations = ordered_json::array();
  for (const auto& part : profile.operations) {
    ordered_json json{{"operation", name(part.operation)},
                      {"seconds", part.seconds},
                      {"share", part.share},
                      {"calls", part.calls},
                      {"weight_bytes", part.weight_bytes},
                      {"kv_bytes", part.kv_bytes},
                      {"multiply_adds", part.multiply_adds},
                      {"bytes_per_second", part.bytes_per_second()},
                      {"multiply_adds_per_second", part.multiply_adds_per_second()}};
    if (bandwidth_bytes_per_second)
      json["bandwidth_share"] = part.bytes_per_second() / *bandwidth_bytes_per_second;
    operations.push_back(std::move(json));
  }
  return {{"separate_run", true},
          {"seconds", profile.seconds},
          {"relative_to_timed_median", profile.relative_time},
          {"operations", std::move(operations)},
          {"rest_seconds", profile.rest_seconds},
          {"rest_share", profile.rest_share},
          {"thread_meetings", profile.meetings},
          {"thread_meeting_seconds", profile.meeting.median_seconds},
          {"thread_meeting_min_seconds", profile.meeting.min_seconds},
          {"thread_meeting_batches", profile.meeting.batches},
          {"thread_meeting_share", profile.meeting_share()}};
}

}  // namespace assay::cli
