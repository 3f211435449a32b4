#include "cli/activations_option.h"

#include <map>

#include "engine/load.h"

namespace assay::cli {

void add_activations(CLI::App& command, Activations& activations, Activations by_default) {
  activations = by_default;
  const std::map<std::string, Activations> names{{"float", Activations::kFloat},
                                                 {"rounded", Activations::kRounded}};
  command
      .add_option("--activations", activations,
                  std::string("inputs of layers: as they are, or rounded to 8 bits where that is faster [") +
                      to_string(by_default) + "]")
      ->type_name("float|rounded")
      ->transform(CLI::CheckedTransformer(names).description(""));
}

Result<LanguageModel> load_model_for(Activations activations, const std::filesystem::path& path,
                                     Session& session) {
  ASSAY_TRY(LanguageModel model, load_model(path));
  if (activations == Activations::kRounded) ASSAY_RETURN_IF_ERROR(pack_weights(model, session.pool()));
  return model;
}

const char* to_string(Activations activations) {
  return activations == Activations::kRounded ? "rounded" : "float";
}

}  // namespace assay::cli
