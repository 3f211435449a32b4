// The option --activations, shared by the commands that generate.
#pragma once
#include "cli/command_line.h"

namespace assay::cli {

// Sets the default, int8, and adds the option.
void add_activations(CLI::App& command, Activations& activations);

const char* to_string(Activations activations);

}  // namespace assay::cli
