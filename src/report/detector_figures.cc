#include "report/cells.h"
#include "report/detail_figures.h"
#include "report/figures.h"
#include "report/numbers.h"
#include "report/scatter.h"

namespace assay::report {

std::vector<Figure> detector_figures(const Study& study, const Style& style) {
  const auto& models = study.detectors;
  std::vector<Figure> figures;
  const auto add = [&](std::optional<Figure> figure) {
    if (figure) figures.push_back(std::move(*figure));
  };
  const std::string pictures = count_text(models, "pictures");
  const std::string threads = threads_text(models, "inference");
  const std::string interval = "95 % bootstrap intervals over pictures";
  add(panel_figure({"detector-size",
                    "Size of the model file",
                    "Size of the model file in MB (millions of bytes) by model and quantization.",
                    "Model size in MB",
                    {"size, MB", false, true, ""},
                    true,
                    false,
                    {}},
                   models, size_cell, style));
  add(panel_figure(
      {"detector-ap",
       "Average precision",
       "COCO average precision (AP, in percent) by model and quantization; n = " + pictures + ", " +
           interval +
           ". The intervals overlap because all variants see the same pictures; the paired comparison in the "
           "table is the sharper one. The axis does not begin at zero.",
       "COCO average precision in percent",
       {"AP", false, false, "", 100},
       false,
       false,
       {}},
      models, quality_cell, style));
  add(panel_figure({"detector-time",
                    "Inference time",
                    "Inference time in seconds for one picture, without preparing it and without making "
                    "boxes of the outputs; " +
                        timing_caption(models, "inference"),
                    "Inference time in seconds",
                    {"inference time, s", false, false, ""},
                    false,
                    true,
                    {}},
                   models, speed_cell("inference"), style));
  add(scatter_figure(
      {"detector-ap-size",
       "AP against size",
       "AP against the size of the file (logarithmic). The line in the background is the Pareto front: no "
       "other "
       "configuration that was judged on the same data is both smaller and better. Rings: beaten, but the "
       "interval reaches the front. n = " +
           pictures + "; " + interval + ". Dotted lines join the variants of a model.",
       "Average precision against size in MB",
       {"size, MB", true, false, ""},
       {"AP", false, false, "", 100},
       true},
      models, size_in_megabytes, style));
  add(scatter_figure(
      {"detector-ap-time",
       "AP against inference time",
       "AP against inference time (logarithmic, " + threads +
           "); front, rings and intervals as in the figure before, those of the time over rounds.",
       "Average precision against inference time in seconds",
       {"inference time, s", true, false, ""},
       {"AP", false, false, "", 100},
       true},
      models, median_speed("inference"), style));
  add(panel_figure({"detector-kept",
                    "AP kept",
                    "AP in percent of the reference of the same model, with the interval of the paired "
                    "difference. Dashed: 100 and "
                    "the tolerance of " +
                        fixed(100 * style.tolerance, 0) + " percent.",
                    "Average precision in percent of the reference",
                    {"AP kept, %", false, false, ""},
                    false,
                    false,
                    {100, 100 * style.tolerance}},
                   models, kept_cell, style));
  add(object_size_figure(models, style));
  add(category_figure(models, style));
  add(latency_figure(models, style));
  add(panel_figure({"detector-memory",
                    "Peak memory",
                    "Peak resident memory in MB of a fresh process that runs the model once.",
                    "Peak memory in MB",
                    {"peak memory, MB", false, true, ""},
                    true,
                    false,
                    {}},
                   models, memory_cell, style));
  add(panel_figure({"detector-energy",
                    "Energy per picture",
                    "Energy for one picture in joules, as the processor counts it.",
                    "Energy per picture in joules",
                    {"energy, J", false, true, ""},
                    true,
                    false,
                    {}},
                   models, energy_cell, style));
  for (Figure& figure : drawing_figures(models)) figures.push_back(std::move(figure));
  return figures;
}

}  // namespace assay::report
