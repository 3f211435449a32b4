// assay compare: two studies side by side.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/text.h"
#include "flow/study/compare_studies.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string first, second;
  bool all = false;
};

std::string value_text(double value, const std::string& unit) {
  if (unit == "bytes") return fmt::format("{:.2f} MB", value / 1e6);
  if (unit == "s") return fmt::format("{:.3f} ms", 1e3 * value);
  return fmt::format("{:.4g}", value);
}

std::string change_text(const StudyDifference& difference) {
  if (difference.first == 0) return "-";
  return fmt::format("{:+.1f} %", 100 * (difference.second / difference.first - 1));
}

std::string verdict_text(const StudyDifference& difference) {
  std::string text = to_string(difference.verdict);
  if (difference.p_value) text += fmt::format(" (p = {:.2g})", *difference.p_value);
  return text;
}

std::string table_text(const StudyComparison& comparison, bool all) {
  using enum TextTable::Align;
  TextTable table({{"model"},
                   {"variant"},
                   {"figure"},
                   {"first", kRight},
                   {"second", kRight},
                   {"change", kRight},
                   {"verdict"}});
  for (const auto& difference : comparison.differences) {
    const bool tells = difference.verdict == Verdict::kLower || difference.verdict == Verdict::kHigher;
    if (!all && !tells) continue;
    table.add_row({printable(difference.model), printable(difference.variant), printable(difference.figure),
                   value_text(difference.first, difference.unit),
                   value_text(difference.second, difference.unit), change_text(difference),
                   verdict_text(difference)});
  }
  return table.render();
}

std::string counts_text(const StudyComparison& comparison) {
  std::size_t same = 0, noise = 0;
  for (const auto& difference : comparison.differences) {
    same += difference.verdict == Verdict::kSame ? 1 : 0;
    noise += difference.verdict == Verdict::kNoise ? 1 : 0;
  }
  return fmt::format("{} figures in both: {} differ, {} differ within noise, {} are the same\n",
                     comparison.differences.size(), comparison.differences.size() - same - noise, noise,
                     same);
}

ordered_json comparison_json(const StudyComparison& comparison) {
  ordered_json rows = ordered_json::array();
  for (const auto& difference : comparison.differences) {
    rows.push_back(
        {{"task", to_string(difference.task)},
         {"model", difference.model},
         {"variant", difference.variant},
         {"figure", difference.figure},
         {"unit", difference.unit},
         {"first", difference.first},
         {"second", difference.second},
         {"verdict", to_string(difference.verdict)},
         {"p_value", difference.p_value ? ordered_json(*difference.p_value) : ordered_json(nullptr)},
         {"method", difference.method}});
  }
  return {{"figures", std::move(rows)},
          {"only_first", comparison.only_first},
          {"only_second", comparison.only_second},
          {"notes", comparison.notes}};
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(store::Store first, store::Store::open_to_read(options.first));
  ASSAY_TRY(store::Store second, store::Store::open_to_read(options.second));
  ASSAY_TRY(const StudyComparison comparison, compare_studies(first, second));
  session.print(counts_text(comparison) + "\n" + table_text(comparison, options.all));
  for (const auto& name : comparison.only_first)
    session.print("only in the first: " + printable(name) + "\n");
  for (const auto& name : comparison.only_second)
    session.print("only in the second: " + printable(name) + "\n");
  for (const auto& note : comparison.notes) session.print("note: " + printable(note) + "\n");
  return session.write_json(comparison_json(comparison));
}

}  // namespace

void add_compare(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("compare", "What changed between two studies, and whether it is more than noise.",
               "assay compare monday tuesday --all");
  command.add_option("first", options->first, "the folder of a study")->type_name("DIR")->required();
  command.add_option("second", options->second, "the folder of another")->type_name("DIR")->required();
  command.add_flag("--all", options->all, "also what is the same, or differs within noise");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
