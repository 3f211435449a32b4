// assay run: a whole study, from its description to the records.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "base/mapped_file.h"
#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/environment_json.h"
#include "cli/study_inputs.h"
#include "cli/text.h"
#include "flow/study/run_study.h"
#include "flow/study/study_yaml.h"
#include "flow/write_report.h"
#include "report/tables.h"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Options {
  std::string study, out;
  bool plan = false, fetch = false, no_report = false;
};

Result<StudySpec> read_study(const std::string& path) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  ParsedStudy parsed = parse_study(as_text(file.bytes()), fs::absolute(path).parent_path());
  if (!parsed.problems.empty())
    return Error{ErrorCode::kInvalidArgument, problems_text(path, parsed.problems)};
  return std::move(parsed.spec);
}

// A plan writes nothing, not even the folder.
Result<store::Store> open_records(const Options& options) {
  if (!options.plan) return store::Store::open(options.out);
  std::error_code error;
  return fs::exists(fs::path(options.out) / store::kFileName, error) ? store::Store::open_to_read(options.out)
                                                                     : store::Store::empty();
}

std::string subject_text(const store::Subject& subject) {
  std::string text = fmt::format("{} {} {}", subject.model, subject.variant, subject.kind);
  for (const char* key : {"test", "threads", "image"}) {
    if (!subject.settings.contains(key)) continue;
    const auto& value = subject.settings[key];
    text += " " + (value.is_string() ? value.get<std::string>() : value.dump() + " " + key);
  }
  if (subject.kind == "latency" || subject.kind == "throughput")
    text += fmt::format(" round {}", subject.round + 1);
  return printable(text);
}

// Rough: by the sizes that the catalogue gives of what is not there yet.
std::string estimate_text(const StudyEstimate& estimate, bool rough) {
  const std::string about = rough ? "very roughly " : "about ";
  return labelled(
      {{"time",
        fmt::format("{}{}, {}", about, duration_text(estimate.seconds),
                    rough ? "by the sizes in the catalogue of what is not there yet"
                    : estimate.calibrated_with > 0
                        ? fmt::format("by {} measurements that were made here", estimate.calibrated_with)
                        : "by the rates of another machine: nothing was measured here yet")},
       {"memory", about + megabytes(estimate.memory_bytes)},
       {"disk", about + megabytes(estimate.disk_bytes)}});
}

ordered_json run_json(const StudyRun& run) {
  ordered_json failures = ordered_json::array();
  for (const auto& failure : run.failures) {
    failures.push_back({{"model", failure.subject.model},
                        {"variant", failure.subject.variant},
                        {"kind", failure.subject.kind},
                        {"error", failure.message}});
  }
  return {{"estimate",
           {{"seconds", run.estimate.seconds},
            {"memory_bytes", run.estimate.memory_bytes},
            {"disk_bytes", run.estimate.disk_bytes},
            {"calibrated_with", run.estimate.calibrated_with}}},
          {"planned", run.planned},
          {"reused", run.reused},
          {"measured", run.measured},
          {"failures", std::move(failures)}};
}

// The main tables of the report.
Status print_results(store::Store& records, Session& session) {
  auto study = report::read_study(records);
  // Where nothing could be measured there is nothing to show.
  if (!study) return {};
  for (const report::Table& table : report::make_tables(*study)) {
    if (table.id != "detector-results" && !table.id.starts_with("llm-")) continue;
    std::vector<TextTable::Column> columns;
    for (const auto& column : table.columns)
      columns.push_back({column.title, column.right ? TextTable::Align::kRight : TextTable::Align::kLeft});
    TextTable text(std::move(columns));
    for (const auto& row : table.rows) text.add_row(row);
    session.print(text.render() + printable(table.caption) + "\n\n");
  }
  return {};
}

// Why there is no PDF, if so.
Result<std::optional<Error>> report(const Options& options, ordered_json& json, Session& session) {
  ASSAY_TRY(const ReportFiles written, write_report(options.out, {}));
  for (const auto& warning : written.warnings) session.note("warning: " + printable(warning) + "\n");
  json["report"] = ordered_json::array();
  for (const auto& path : written.files) {
    session.print(printable(path.string()) + "\n");
    json["report"].push_back(path.string());
  }
  return written.not_rendered;
}

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const StudySpec spec, read_study(options.study));
  const MissingInputs missing = options.plan    ? MissingInputs::kTell
                                : options.fetch ? MissingInputs::kFetch
                                                : MissingInputs::kFail;
  ASSAY_TRY(const ordered_json still_missing, provide_inputs(spec, missing, session));
  ASSAY_TRY(store::Store records, open_records(options));
  if (records.set_aside()) {
    session.note(fmt::format(
        "warning: the records in {} were damaged; they are kept as {} and everything is measured anew\n",
        options.out, records.set_aside()->string()));
  }
  std::error_code error;
  const StudyContext context{spec,
                             fs::absolute(options.out),
                             fs::read_symlink("/proc/self/exe", error),
                             records,
                             session.kernels(),
                             {builtin_cloze(), builtin_calibration(), builtin_grid()},
                             session.progress(),
                             still_missing.empty() ? Inputs::kPresent : Inputs::kSomeMissing};
  StudyRunOptions run_options;
  run_options.plan_only = options.plan;
  ordered_json context_json;
  session.add_context(context_json);
  run_options.environment = context_json["environment"];
  // What changes from minute to minute would make every environment its own.
  run_options.environment.erase("load_average");
  run_options.command = context_json["command"];
  run_options.announce = [&](const StudyStep& step) {
    session.progress().begin_step(step.seconds, step.later_seconds);
    // In a file the time left would say nothing to whoever reads it later.
    const std::string left =
        session.progress().enabled()
            ? fmt::format(", about {} left", duration_text(step.seconds + step.later_seconds))
            : "";
    session.note(fmt::format("[{}/{}] {}{}\n", step.position + 1, step.of, subject_text(step.subject), left));
  };
  const auto ran = run_study(context, run_options);
  if (!ran && !still_missing.empty()) {
    session.print("how long it takes cannot be told yet:\n");
    std::istringstream lines(ran.error().message);
    for (std::string line; std::getline(lines, line);) session.print(printable(line) + "\n");
    return session.write_json({{"missing", still_missing}});
  }
  if (!ran) return ran.error();
  const StudyRun& done = *ran;
  for (const auto& failure : done.failures)
    session.note(fmt::format("warning: {}: {}\n", subject_text(failure.subject), printable(failure.message)));
  const bool rough = !still_missing.empty();
  if (options.plan) session.print(estimate_text(done.estimate, rough));
  session.print(labelled(
      {{"measurements", fmt::format("{}, of which {} were there already", done.planned, done.reused)},
       {options.plan ? "to measure" : "measured",
        std::to_string(options.plan ? done.planned - done.reused : done.measured)},
       {"failed", std::to_string(done.failures.size())},
       {"records", (fs::path(options.out) / store::kFileName).string()}}));
  ordered_json json = run_json(done);
  json["estimate"]["rough"] = rough;
  if (options.plan) json["missing"] = still_missing;
  std::optional<Error> not_rendered;
  if (!options.plan) {
    ASSAY_RETURN_IF_ERROR(print_results(records, session));
    if (!options.no_report) {
      ASSAY_TRY(not_rendered, report(options, json, session));
    }
  }
  ASSAY_RETURN_IF_ERROR(session.write_json(std::move(json)));
  if (not_rendered) return not_rendered->with_context("everything was measured, but there is no PDF");
  if (done.failures.empty()) return {};
  return Error{ErrorCode::kUnsupported,
               fmt::format("{} of {} measurements failed; the same command tries them again",
                           done.failures.size(), done.planned)};
}

}  // namespace

void add_run(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("run", "Measure everything that a study asks for; the same command goes on where it stopped.",
               "assay run studies/quick.yaml -o quick");
  command.add_option("study", options->study, "the description of the study")
      ->type_name("STUDY.yaml")
      ->required();
  command.add_option("-o,--out", options->out, "the folder of the study")->type_name("DIR")->required();
  command.add_flag("--plan", options->plan, "only tell what would be fetched and measured");
  command.add_flag("--fetch", options->fetch, "bring the models and data that are missing first");
  command.add_flag("--no-report", options->no_report, "measure only; `assay report DIR` writes the report");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
