// assay run: a whole study, from its description to the records.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "base/mapped_file.h"
#include "cli/builtin_data.h"
#include "cli/commands.h"
#include "cli/environment_json.h"
#include "cli/text.h"
#include "flow/study/run_study.h"
#include "flow/study/study_yaml.h"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Options {
  std::string study, out;
  bool plan = false;
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

std::string estimate_text(const StudyEstimate& estimate) {
  return labelled(
      {{"time",
        fmt::format("about {}, {}", duration_text(estimate.seconds),
                    estimate.calibrated_with > 0
                        ? fmt::format("by {} measurements that were made here", estimate.calibrated_with)
                        : "by the rates of another machine: nothing was measured here yet")},
       {"memory", "about " + megabytes(estimate.memory_bytes)},
       {"disk", "about " + megabytes(estimate.disk_bytes)}});
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

Status run(const Options& options, Session& session) {
  ASSAY_TRY(const StudySpec spec, read_study(options.study));
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
                             {builtin_cloze(), builtin_calibration()},
                             session.progress()};
  StudyRunOptions run_options;
  run_options.plan_only = options.plan;
  ordered_json context_json;
  session.add_context(context_json);
  run_options.environment = context_json["environment"];
  // What changes from minute to minute would make every environment its own.
  run_options.environment.erase("load_average");
  run_options.command = context_json["command"];
  run_options.announce = [&](const store::Subject& subject, std::int64_t position, std::int64_t of) {
    session.note(fmt::format("[{}/{}] {}\n", position + 1, of, subject_text(subject)));
  };
  ASSAY_TRY(const StudyRun done, run_study(context, run_options));
  for (const auto& failure : done.failures)
    session.note(fmt::format("warning: {}: {}\n", subject_text(failure.subject), printable(failure.message)));
  if (options.plan) session.print(estimate_text(done.estimate));
  session.print(labelled(
      {{"measurements", fmt::format("{}, of which {} were there already", done.planned, done.reused)},
       {options.plan ? "to measure" : "measured",
        std::to_string(options.plan ? done.planned - done.reused : done.measured)},
       {"failed", std::to_string(done.failures.size())},
       {"records", (fs::path(options.out) / store::kFileName).string()}}));
  ASSAY_RETURN_IF_ERROR(session.write_json(run_json(done)));
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
  command.add_flag("--plan", options->plan, "only tell what would be measured");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
