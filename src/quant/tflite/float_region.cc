#include "quant/tflite/float_region.h"

#include "quant/tflite/convert.h"
#include "quant/tflite/weights.h"

namespace assay::tflite {
namespace {

// `feeds`: by operator, whether what it reads must be float although it was not chosen itself.
std::vector<bool> extend(const Subgraph& graph, std::vector<bool> chosen, std::vector<bool> feeds) {
  const Uses uses = find_uses(graph);
  for (std::size_t i = chosen.size(); i-- > 0;) {
    if (!feeds[i]) continue;
    for (const std::int32_t input : graph.operators[i].inputs) {
      const int producer = input < 0 ? -1 : uses.producer[static_cast<std::size_t>(input)];
      if (producer < 0 || producer >= static_cast<int>(i)) continue;
      const auto before = static_cast<std::size_t>(producer);
      chosen[before] = true;
      feeds[before] = feeds[before] || !weighted_op(graph.operators[before].op);
    }
  }
  return chosen;
}

FloatRegion named(const Subgraph& graph, std::string label, const std::vector<bool>& chosen) {
  FloatRegion region{std::move(label), {}};
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) region.labels.push_back(operator_label(graph, graph.operators[i]));
  }
  return region;
}

}  // namespace

std::vector<bool> float_region(const Model& model, const std::vector<bool>& chosen) {
  return extend(model.main(), chosen, chosen);
}

std::vector<FloatRegion> float_regions(const Model& model) {
  const Subgraph& graph = model.main();
  const std::size_t count = graph.operators.size();
  std::vector<FloatRegion> regions;
  for (std::size_t i = 0; i < count; ++i) {
    if (!weighted_op(graph.operators[i].op)) continue;
    std::vector<bool> chosen(count, false);
    chosen[i] = true;
    regions.push_back(named(graph, operator_label(graph, graph.operators[i]), float_region(model, chosen)));
  }
  const Uses uses = find_uses(graph);
  std::vector<bool> chosen(count, false), feeds(count, false);
  for (const std::int32_t output : graph.outputs) {
    const int producer = uses.producer[static_cast<std::size_t>(output)];
    if (producer < 0) continue;
    const auto at = static_cast<std::size_t>(producer);
    chosen[at] = true;
    feeds[at] = !weighted_op(graph.operators[at].op);
  }
  regions.push_back(named(graph, "outputs", extend(graph, std::move(chosen), std::move(feeds))));
  return regions;
}

}  // namespace assay::tflite
