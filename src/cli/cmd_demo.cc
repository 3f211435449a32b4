// assay demo: a whole study of a language model and one of a detector, each in one table.
#include "cli/commands.h"
#include "cli/demo_detector.h"
#include "cli/demo_llm.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string only;
  LlmDemoOptions llm;
  DetectorDemoOptions detector;
};

Status run(Options options, Session& session) {
  ordered_json record = ordered_json::object();
  if (options.only != "detector") {
    ASSAY_TRY(record, run_llm_demo(options.llm, session));
  }
  if (options.only != "llm") {
    // The two share the folder's name that was given, not their files.
    options.detector.out = options.llm.out + "/detector";
    if (options.only.empty()) session.print("\n");
    ASSAY_TRY(record["detector"], run_detector_demo(options.detector, session));
  }
  return session.write_json(std::move(record));
}

}  // namespace

void add_demo(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command =
      line.add("demo", "Quantize a small language model and a face detector, and measure what that did.",
               "assay demo -o demo --data lambada_test.jsonl --limit 1000");
  command.add_option("model", options->llm.model, "a language model [smollm2-135m]")->type_name("MODEL");
  command.add_option("--only", options->only, "one half of it: llm or detector")
      ->type_name("HALF")
      ->check(CLI::IsMember({"llm", "detector"}).description(""));
  command.add_option("--detector", options->detector.model, "a detector of faces [blazeface-full]")
      ->type_name("MODEL");
  command
      .add_option("-o,--out", options->llm.out,
                  "folder for models and measurements; the same command goes on where it stopped [demo]")
      ->type_name("DIR");
  command
      .add_option("--data", options->llm.data, "passages, as for `assay eval lambada` [built-in cloze set]")
      ->type_name("FILE");
  command
      .add_option("--limit", options->llm.limit,
                  "only the first so many passages; 0: all [all of the built-in set, 1000 of a file]")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30).description(""));
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
