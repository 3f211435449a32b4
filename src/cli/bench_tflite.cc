#include "cli/bench_tflite.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "flow/bench_detector.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1e3 * seconds); }

std::string percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "-";
}

std::string placement_text(const OperatorProfile& profile) {
  if (profile.builtin.empty()) return fmt::format("all {} operators", profile.operators);
  return fmt::format("all but {} of {} operators, which take {}", profile.builtin.size(), profile.operators,
                     percent(profile.builtin_share(), 1));
}

// What takes the time, of the first number of threads.
std::string operators_text(const OperatorProfile& profile, bool all) {
  using enum TextTable::Align;
  TextTable table({{"kernel"}, {"by"}, {"calls", kRight}, {"ms", kRight}, {"share", kRight}});
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < profile.kernels.size() && (all || i < kShown); ++i) {
    const auto& group = profile.kernels[i];
    table.add_row({printable(group.name), group.xnnpack ? "XNNPACK" : "built-in kernel",
                   std::to_string(group.calls), milliseconds(group.seconds),
                   percent(group.seconds, profile.seconds)});
  }
  std::string text = table.render();
  if (!profile.builtin.empty()) text += "\nNot taken by XNNPACK:\n";
  for (std::size_t i = 0; i < profile.builtin.size() && (all || i < kShown); ++i) {
    const auto& op = profile.builtin[i];
    text += fmt::format("  {} ({} ms, {})\n", printable(op.label), milliseconds(op.seconds),
                        percent(op.seconds, profile.seconds));
  }
  if (!all && (profile.kernels.size() > kShown || profile.builtin.size() > kShown))
    text += "--operators shows all of them\n";
  return text;
}

ordered_json profile_json(const OperatorProfile& profile) {
  ordered_json json{{"total", profile.operators},
                    {"xnnpack", profile.operators - profile.builtin.size()},
                    {"builtin_share", profile.builtin_share()},
                    {"builtin", ordered_json::array()},
                    {"kernels", ordered_json::array()}};
  for (const auto& op : profile.builtin)
    json["builtin"].push_back({{"operator", op.label}, {"seconds", op.seconds}});
  for (const auto& group : profile.kernels) {
    json["kernels"].push_back({{"name", group.name},
                               {"xnnpack", group.xnnpack},
                               {"calls", group.calls},
                               {"seconds", group.seconds}});
  }
  return json;
}

std::string table_text(const DetectorBench& bench) {
  using enum TextTable::Align;
  TextTable table({{"threads", kRight},
                   {"runs", kRight},
                   {"mean ms", kRight},
                   {"p50", kRight},
                   {"p90", kRight},
                   {"p99", kRight},
                   {"min", kRight},
                   {"peak memory", kRight},
                   {"XNNPACK"},
                   {"other load", kRight}});
  for (const auto& row : bench.rows) {
    const auto& other = row.timing.other_cpu_share;
    table.add_row(
        {std::to_string(row.threads), std::to_string(row.timing.seconds.size()),
         milliseconds(row.timing.mean_seconds), milliseconds(row.timing.median_seconds),
         milliseconds(row.p90_seconds), milliseconds(row.p99_seconds), milliseconds(row.timing.min_seconds),
         row.peak_rss_bytes ? megabytes(*row.peak_rss_bytes) : "not available", placement_text(row.profile),
         other ? fmt::format("{:.0f} %{}", 100 * *other, row.timing.noisy ? " (noisy)" : "") : "-"});
  }
  return table.render();
}

ordered_json row_json(const std::string& path, const DetectorBench& bench, const DetectorBenchRow& row,
                      const Session& session) {
  ordered_json json{{"threads", row.threads},
                    {"runs", row.timing.seconds.size()},
                    {"mean_s", row.timing.mean_seconds},
                    {"p50_s", row.timing.median_seconds},
                    {"p90_s", row.p90_seconds},
                    {"p99_s", row.p99_seconds},
                    {"min_s", row.timing.min_seconds},
                    {"model_bytes", bench.model_bytes},
                    {"peak_rss_bytes", nullptr},
                    {"operators", profile_json(row.profile)},
                    {"noisy", row.timing.noisy}};
  if (row.peak_rss_bytes) json["peak_rss_bytes"] = *row.peak_rss_bytes;
  if (!row.peak_rss_note.empty()) json["peak_rss_note"] = row.peak_rss_note;
  if (row.timing.stddev_seconds) json["stddev_s"] = *row.timing.stddev_seconds;
  if (row.timing.other_cpu_share) json["other_cpu_share"] = *row.timing.other_cpu_share;
  json["model"] = path;
  session.add_context(json);
  return json;
}

}  // namespace

Status bench_tflite_file(const std::filesystem::path& path, const std::vector<int>& threads,
                         bool all_operators, Session& session) {
  ASSAY_TRY(const CheckedTflite model, CheckedTflite::open(path));
  DetectorBenchOptions options;
  options.threads = threads;
  ASSAY_TRY(const DetectorBench bench, bench_detector(model, options, session.progress()));
  session.print(labelled({{"model", path.string()}, {"size", megabytes(bench.model_bytes)}}) + "\n" +
                table_text(bench) + "\n" + operators_text(bench.rows[0].profile, all_operators));
  // One object for one number of threads, which is what the contract of the command line says; else a list.
  if (bench.rows.size() == 1)
    return session.write_json(row_json(path.string(), bench, bench.rows[0], session));
  ordered_json list = ordered_json::array();
  for (const auto& row : bench.rows) list.push_back(row_json(path.string(), bench, row, session));
  return session.write_json(std::move(list));
}

}  // namespace assay::cli
