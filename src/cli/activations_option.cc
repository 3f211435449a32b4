#include "cli/activations_option.h"

#include <map>

namespace assay::cli {

void add_activations(CLI::App& command, Activations& activations) {
  activations = Activations::kRounded;
  const std::map<std::string, Activations> names{{"float", Activations::kFloat},
                                                 {"rounded", Activations::kRounded}};
  command
      .add_option("--activations", activations,
                  "inputs of layers while generating: as they are, or rounded to 8 bits where that is faster "
                  "[rounded]")
      ->type_name("float|rounded")
      ->transform(CLI::CheckedTransformer(names).description(""));
}

const char* to_string(Activations activations) {
  return activations == Activations::kRounded ? "rounded" : "float";
}

}  // namespace assay::cli
