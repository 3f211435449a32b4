#include "report/cells.h"
#include "report/detail_figures.h"
#include "report/figures.h"
#include "report/numbers.h"
#include "report/scatter.h"

namespace assay::report {

std::vector<Figure> llm_figures(const Study& study, const Style& style) {
  const auto& models = study.llms;
  std::vector<Figure> figures;
  const auto add = [&](std::optional<Figure> figure) {
    if (figure) figures.push_back(std::move(*figure));
  };
  const std::string passages = count_text(models, "passages");
  const std::string data = data_name(models, "LAMBADA", "lambada");
  const std::string interval = "95 % intervals (Wilson)";
  const auto speed_caption = [&](const std::string& test, const std::string& what) {
    return what + "; " + timing_caption(models, test);
  };
  add(panel_figure({"llm-size",
                    "Size of the model",
                    "Size of the model in MB (millions of bytes): all that must be shipped to run it, scales "
                    "and embedding included, "
                    "by model and quantization.",
                    "Model size in MB",
                    {"size, MB", false, true, ""},
                    true,
                    false,
                    {}},
                   models, size_cell, style));
  add(panel_figure({"llm-top1",
                    "Accuracy, top 1",
                    "Accuracy in percent: the last word of a passage is what the model would have written "
                    "(top 1). Data: " +
                        data + ", n = " + passages + ", " + interval + ".",
                    "Accuracy, top 1, in percent",
                    {"accuracy (top 1), %", false, true, "", 100},
                    false,
                    false,
                    {}},
                   models, quality_cell, style));
  add(panel_figure({"llm-top5",
                    "Accuracy, top 5",
                    "Each token of the last word is among the model's five most likely (top 5), percent of "
                    "passages. n = " +
                        passages + ", " + interval + ".",
                    "Accuracy, top 5, in percent",
                    {"accuracy (top 5), %", false, true, "", 100},
                    false,
                    false,
                    {}},
                   models, other_quality_cell("top-5"), style));
  add(panel_figure({"llm-generate",
                    "Speed of generation",
                    speed_caption("generate", "Generation in tokens per second, one sequence"),
                    "Tokens per second in generation",
                    {"generation, tokens/s", false, true, ""},
                    false,
                    true,
                    {}},
                   models, speed_cell("generate"), style));
  add(panel_figure({"llm-prompt",
                    "Speed of reading the prompt",
                    speed_caption("prompt", "Processing of the prompt in tokens per second"),
                    "Tokens per second in prompt processing",
                    {"prompt, tokens/s", false, true, ""},
                    false,
                    true,
                    {}},
                   models, speed_cell("prompt"), style));
  add(scatter_figure(
      {"llm-accuracy-size",
       "Accuracy against size",
       "Accuracy (top 1) against size (logarithmic). The line in the background is the Pareto front: no "
       "other "
       "configuration that was judged on the same data is both smaller and better. Rings: beaten, but the "
       "interval reaches the front. n = " +
           passages + "; " + interval + ". Dotted lines join the variants of a model.",
       "Accuracy against size in MB",
       {"size, MB", true, false, ""},
       {"accuracy, %", false, false, "", 100},
       true},
      models, size_in_megabytes, style));
  add(scatter_figure(
      {"llm-accuracy-speed",
       "Accuracy against speed",
       "Accuracy (top 1) against tokens per second in generation (logarithmic); up and to the right is "
       "better. Front, "
       "rings and intervals as in the figure before.",
       "Accuracy against tokens per second",
       {"generation, tokens/s", true, false, ""},
       {"accuracy, %", false, false, "", 100},
       false},
      models, median_speed("generate"), style));
  add(panel_figure({"llm-kept",
                    "Accuracy kept",
                    "Accuracy (top 1) in percent of the reference of the same model, with the interval of "
                    "the paired difference. "
                    "Dashed: 100 and the tolerance of " +
                        fixed(100 * style.tolerance, 0) + " percent.",
                    "Accuracy in percent of the reference",
                    {"accuracy kept, %", false, false, ""},
                    false,
                    false,
                    {100, 100 * style.tolerance}},
                   models, kept_cell, style));
  add(panel_figure(
      {"llm-perplexity",
       "Perplexity of the last word",
       "Perplexity of the last words of the passages; less is better. The records keep no interval for it.",
       "Perplexity",
       {"perplexity", false, false, ""},
       false,
       true,
       {}},
      models, other_quality_cell("perplexity"), style));
  for (Figure& figure : layer_figures(models, style)) figures.push_back(std::move(figure));
  add(panel_figure({"llm-energy",
                    "Energy per token",
                    "Energy for a generated token in joules, as the processor counts it.",
                    "Energy per token in joules",
                    {"energy, J", false, true, ""},
                    true,
                    false,
                    {}},
                   models, energy_cell, style));
  return figures;
}

}  // namespace assay::report
