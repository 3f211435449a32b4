#include "cli/layer_options.h"

#include <fmt/format.h>

#include "engine/rotate_stream.h"
#include "flow/fold_weights.h"
#include "flow/sensitivities.h"
#include "flow/weights_hash.h"

namespace assay::cli {
namespace {

// What was done to the blocks, in a line.
std::string folds_text(const std::vector<BlockFolds>& folds) {
  double before = 0, after = 0;
  std::int64_t scaled = 0, rotated = 0, permuted = 0;
  for (const auto& block : folds) {
    before += block.error_before;
    after += block.error_after;
    scaled += (block.attention_exponent > 0) + (block.mlp_exponent > 0) + (block.channel_exponent > 0);
    rotated += block.values_rotated;
    permuted += block.channels_permuted;
  }
  return fmt::format(
      "folded: {} of {} inputs scaled, {} of {} blocks' values rotated, {} channels permuted; error of "
      "outputs {:.4f} -> {:.4f}\n",
      scaled, 3 * folds.size(), rotated, folds.size(), permuted, before, after);
}

}  // namespace

void add_layer_options(CLI::App& command, LayerOptions& options) {
  auto* sensitivity = command
                          .add_option("--sensitivity", options.sensitivity_file,
                                      "what 'assay sensitivity' measured, for --average-bits")
                          ->type_name("FILE");
  auto* average =
      command
          .add_option("--average-bits", options.average_bits,
                      "give each layer the bits and group size it needs: so many for each weight of the "
                      "blocks on average, with scales and zero points, without the embedding; --to and "
                      "--group-size become the checkpoint's defaults")
          ->type_name("X")
          ->check(CLI::Range(1.0, 16.0).description(""))
          ->needs(sensitivity);
  sensitivity->needs(average);
  command.add_flag(
      "--rotate", options.rotate,
      "first spread what stands out in few channels of the residual stream over all of them, which "
      "leaves what the model computes as it is; an embedding that is the head, too, becomes two "
      "matrices (families with RMS norms before the layers alone, as Llama and Qwen)");
  command.add_flag("--fold", options.fold,
                   "first scale, rotate and permute weights where that makes them easier to round and leaves "
                   "what the model computes as it is");
}

Status ease_weights(const LayerOptions& options, LanguageModel& model, const CalibrationSet& calibration,
                    const GptqOptions& gptq, Session& session) {
  if (options.rotate) {
    const bool tied = !model.head;
    ASSAY_RETURN_IF_ERROR(rotate_residual_stream(model, session.kernels()));
    if (tied) {
      session.note(
          fmt::format("rotated: embedding and head are two matrices now, at 16 bits {:.1f} MB more\n",
                      static_cast<double>(model.config.vocab_size * model.config.hidden_size) * 2e-6));
    }
  }
  if (options.fold) {
    ASSAY_TRY(const auto folds,
              fold_weights(model, calibration, gptq, session.kernels(), session.progress()));
    session.note(folds_text(folds));
  }
  return {};
}

Result<std::map<std::string, LayerBits>> layers_of_their_own(const LayerOptions& options,
                                                             const LanguageModel& model,
                                                             const GptqOptions& gptq) {
  ASSAY_TRY(const SensitivityFile file, read_sensitivities(options.sensitivity_file));
  const Sensitivities& measured = file.sensitivities;
  if (measured.weights != weights_hash(model)) {
    return Error{
        ErrorCode::kInvalidArgument,
        options.sensitivity_file + ": was measured on other weights; run 'assay sensitivity' on this model"};
  }
  std::size_t num_layers = 0;
  model.for_each_linear([&](const Linear&) { ++num_layers; });
  if (measured.layers.size() != num_layers) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: holds {} of {} layers; run the same 'assay sensitivity' again to finish it",
                             options.sensitivity_file, measured.layers.size(), num_layers)};
  }
  ASSAY_TRY(const auto formats, choose_formats(measured, *options.average_bits));
  std::map<std::string, LayerBits> layers;
  for (std::size_t i = 0; i < num_layers; ++i) {
    if (formats[i] != LayerBits{gptq.grid.bits, gptq.group_size})
      layers[measured.layers[i].name] = formats[i];
  }
  return layers;
}

}  // namespace assay::cli
