// The option --activations, shared by the commands that run a language model.
#pragma once
#include <filesystem>

#include "cli/command_line.h"
#include "engine/model.h"

namespace assay::cli {

// Sets the default and adds the option.
void add_activations(CLI::App& command, Activations& activations, Activations by_default);

// A model whose weights are repacked where `activations` computes with integers. Errors: those of loading,
// kResourceLimit.
Result<LanguageModel> load_model_for(Activations activations, const std::filesystem::path& path,
                                     Session& session);

const char* to_string(Activations activations);

}  // namespace assay::cli
