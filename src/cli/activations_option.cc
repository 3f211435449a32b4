#include "cli/activations_option.h"

#include <map>

namespace assay::cli {

void add_activations(CLI::App& command, Activations& activations) {
  activations = Activations::kInt8;
  const std::map<std::string, Activations> names{{"float", Activations::kFloat},
                                                 {"int8", Activations::kInt8}};
  command
      .add_option(
          "--activations", activations,
          "inputs of quantized layers while generating: as they are, or rounded to 8 bits (faster) [int8]")
      ->type_name("float|int8")
      ->transform(CLI::CheckedTransformer(names).description(""));
}

const char* to_string(Activations activations) {
  return activations == Activations::kInt8 ? "int8" : "float";
}

}  // namespace assay::cli
