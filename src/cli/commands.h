// Each adds one subcommand; see the file cmd_<name>.cc.
#pragma once
#include "cli/command_line.h"

namespace assay::cli {

void add_inspect(CommandLine& line);
void add_generate(CommandLine& line);
void add_bench(CommandLine& line);
void add_quantize(CommandLine& line);
void add_run(CommandLine& line);
void add_compare(CommandLine& line);
void add_eval(CommandLine& line);
void add_eval_coco(CommandLine& line, CLI::App& parent);        // below `assay eval`
void add_convert(CommandLine& line);
void add_detect(CommandLine& line);
void add_eval_detections(CommandLine& line, CLI::App& parent);  // below `assay eval`
void add_eval_kl(CommandLine& line, CLI::App& parent);          // below `assay eval`
void add_explain(CommandLine& line);
void add_models(CommandLine& line);
void add_fetch(CommandLine& line);
void add_scenes(CommandLine& line);
void add_sensitivity(CommandLine& line);
void add_report(CommandLine& line);
void add_completion(CommandLine& line);
void add_manual(CommandLine& line);

}  // namespace assay::cli
