// assay report: report, slides and page again from what was measured.
#include "cli/commands.h"
#include "cli/text.h"
#include "flow/write_report.h"

namespace assay::cli {
namespace {

struct ReportCommand {
  std::string folder, templates, eject;
};

Status run(const ReportCommand& command, Session& session) {
  if (command.folder.empty() && command.eject.empty())
    return Error{ErrorCode::kInvalidArgument, "give the folder of a study, or --eject DIR"};
  nlohmann::ordered_json record{{"files", nlohmann::ordered_json::array()},
                                {"warnings", nlohmann::ordered_json::array()}};
  const auto add = [&](const std::filesystem::path& path) {
    session.print(printable(path.string()) + "\n");
    record["files"].push_back(path.string());
  };
  if (!command.eject.empty()) {
    ASSAY_TRY(const auto written, eject_templates(command.eject));
    for (const auto& path : written) add(path);
  }
  if (command.folder.empty()) return session.write_json(record);
  ASSAY_TRY(const ReportFiles report, write_report(command.folder, command.templates));
  for (const auto& path : report.files) add(path);
  for (const std::string& warning : report.warnings) {
    session.note("warning: " + printable(warning) + "\n");
    record["warnings"].push_back(warning);
  }
  record["rendered"] = !report.not_rendered.has_value();
  ASSAY_RETURN_IF_ERROR(session.write_json(record));
  if (report.not_rendered)
    return report.not_rendered->with_context(
        "no PDF and no plots; data, report.md and a plain report.html are there");
  return {};
}

}  // namespace

void add_report(CommandLine& line) {
  auto options = std::make_shared<ReportCommand>();
  CLI::App& command = line.add("report", "Report, slides and interactive page from the records of a study.",
                               "assay report DIR");
  command.add_option("DIR", options->folder, "the study's folder, with assay.sqlite in it")->type_name("DIR");
  command
      .add_option("--template", options->templates, "a folder with files in place of the built-in templates")
      ->type_name("DIR");
  command
      .add_option("--eject", options->eject, "write the built-in templates into this folder, to be changed")
      ->type_name("DIR");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
