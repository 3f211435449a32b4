#include "base/heap.h"
#include "base/interrupt.h"
#include "cli/commands.h"
#include "quant/llm/blas.h"

int main(int argc, char** argv) {
  assay::restart_with_known_blas_core(argv);
  assay::keep_freed_memory();
  assay::install_interrupt_handler();
  assay::use_single_threaded_blas();
  assay::cli::CommandLine line;
  assay::cli::add_models(line);
  assay::cli::add_fetch(line);
  assay::cli::add_scenes(line);
  assay::cli::add_inspect(line);
  assay::cli::add_quantize(line);
  assay::cli::add_sensitivity(line);
  assay::cli::add_eval(line);
  assay::cli::add_explain(line);
  assay::cli::add_convert(line);
  assay::cli::add_detect(line);
  assay::cli::add_run(line);
  assay::cli::add_compare(line);
  assay::cli::add_bench(line);
  assay::cli::add_generate(line);
  assay::cli::add_report(line);
  assay::cli::add_completion(line);
  assay::cli::add_manual(line);
  return line.execute(argc, argv);
}
