// assay explain: why two result files differ.
#include "cli/coco_output.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace assay::cli {
namespace {

struct ExplainCommand {
  std::string first, second, annotations;
  double threshold = 0.5;
  int max_detections = 100;
  int top = 20;
};

Status run(const ExplainCommand& command, Session& session) {
  ASSAY_TRY(const ExplainRun result, run_explain(command.annotations, command.first, command.second,
                                                 command.threshold, command.max_detections, session.pool()));
  for (const std::string& warning : result.warnings) session.note("warning: " + printable(warning) + "\n");
  session.print(explanation_text(result, static_cast<std::size_t>(command.top)));
  return session.write_json(explanation_json(result));
}

}  // namespace

void add_explain(CommandLine& line) {
  auto options = std::make_shared<ExplainCommand>();
  CLI::App& command = line.add("explain", "Why two COCO result files differ, image by image.",
                               "assay explain a.json b.json --annotations instances_val2017.json");
  command.add_option("A", options->first, "a result file")->type_name("A.json")->required();
  command.add_option("B", options->second, "another")->type_name("B.json")->required();
  command.add_option("--annotations", options->annotations, "COCO annotations")
      ->type_name("FILE")
      ->required();
  command.add_option("--iou", options->threshold, "the overlap of a hit [0.5]")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command.add_option("--max-dets", options->max_detections, "detections kept per image and category [100]")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30).description(""));
  command.add_option("--top", options->top, "images shown, those that differ most first; JSON has all [20]")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""));
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
