#include "flow/best_method.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace assay {
namespace {

// Of training. Many small steps take a model further than few large ones over the same tokens.
constexpr std::int64_t kTokensPerStep = 512;
// Scales and norms have learned most of what they can after a quarter of a million tokens; codes have not.
constexpr std::int64_t kTokensOfEffort2 = 1 << 18, kTokensOfEffort2WithCodes = 1 << 19,
                       kTokensOfEffort3 = 1 << 20;
constexpr std::array<const char*, 7> kClosedForm{"targets", "tokens", "grid",   "descent",
                                                 "refit",   "fit",    "restart"};

// Two bits hold so little that the codes themselves must be trained, from the nearest values. Codes that were
// solved for are better than any that training finds from there, and are kept: then scales and norms are
// trained.
std::vector<std::string> steps_of_effort(int effort, int bits) {
  if (effort == 0) return {"grid"};
  if (effort >= 2 && bits <= 2) return {"grid", "distill"};
  std::vector<std::string> steps(kClosedForm.begin(), kClosedForm.end());
  if (effort >= 2) steps.emplace_back("distill");
  return steps;
}

// Rates of scales whose codes stay: the finer the grid, the less of itself a scale has to move.
TrainingRates rates_with_codes_kept(int bits) {
  return {.latent = 0, .scale = bits <= 3 ? 0.002f : 0.001f, .zero = 0, .norm = 0.0002f};
}

}  // namespace

int default_effort(int bits, bool trainable) { return bits <= 2 && trainable ? 2 : 1; }

void choose_best(const BestMethod& best, LlmQuantizeOptions& options, CalibrationOptions& calibration) {
  options.method = LlmMethod::kBest;
  GptqOptions& gptq = options.gptq;
  // A grid about zero wastes a quarter of four values, an eighth of eight, and fits weights that lie aside of
  // it badly.
  if (gptq.grid.bits < 8 && !best.symmetric) gptq.grid.sym = false;
  const auto steps = best.steps.empty() ? steps_of_effort(best.effort, gptq.grid.bits) : best.steps;
  const auto takes = [&](std::string_view step) { return std::ranges::find(steps, step) != steps.end(); };
  TuneOptions tune;
  if (!takes("blocks")) tune.blocks.reset();
  if (!takes("distill")) tune.model.reset();
  if (tune.blocks || tune.model) options.tune = tune;
  // Training starts from the nearest values unless a step that solves for codes is named.
  const auto solves = [](const std::string& step) {
    return step != "grid" && step != "blocks" && step != "distill";
  };
  options.solve_codes = !options.tune || std::ranges::any_of(steps, solves);
  if (options.tune && options.tune->model) calibration.sequence_length = 256;
  calibration.sequence_length = best.sequence_length.value_or(calibration.sequence_length);
  if (options.tune && options.tune->model) {
    DistillOptions& distill = *options.tune->model;
    const std::int64_t tokens = best.effort == 3      ? kTokensOfEffort3
                                : options.solve_codes ? kTokensOfEffort2
                                                      : kTokensOfEffort2WithCodes;
    calibration.samples = std::max<std::int64_t>(2, tokens / calibration.sequence_length);
    distill.sequences_per_step = std::max<std::int64_t>(1, kTokensPerStep / calibration.sequence_length);
    if (options.solve_codes) distill.rates = rates_with_codes_kept(gptq.grid.bits);
  }
  calibration.samples = best.samples.value_or(calibration.samples);
  ClosedFormOptions& closed = options.closed_form;
  closed.targets = takes("targets");
  options.equal_tokens = takes("tokens");
  closed.descent = takes("descent");
  closed.refit = takes("refit");
  closed.fit = takes("fit");
  closed.restart = takes("restart");
  if (takes("grid")) gptq.grid.search = ScaleSearch::kJoint;
  // Columns stay in their groups, which the steps after GPTQ rely on.
  if (gptq.order == ColumnOrder::kActivation) gptq.static_groups = true;
}

}  // namespace assay
