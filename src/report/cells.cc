#include "report/cells.h"

#include <algorithm>
#include <cctype>

#include "report/numbers.h"

namespace assay::report {
namespace {

Estimate scaled(Estimate estimate, double factor) {
  estimate.value *= factor;
  if (estimate.interval)
    estimate.interval = Interval{factor * estimate.interval->low, factor * estimate.interval->high};
  return estimate;
}

}  // namespace

PanelCell absent_cell() { return {std::nullopt, "not measured"}; }

std::optional<PanelCell> size_cell(const Model&, const Variant& variant) {
  if (!variant.bytes) return absent_cell();
  return PanelCell{Estimate{*variant.bytes / 1e6, std::nullopt}, significant(*variant.bytes / 1e6)};
}

std::optional<PanelCell> quality_cell(const Model&, const Variant& variant) {
  if (!variant.quality) return absent_cell();
  return PanelCell{scaled(variant.quality->value, 100), percent(variant.quality->value.value)};
}

std::optional<PanelCell> kept_cell(const Model& model, const Variant& variant) {
  if (variant.is_reference) return std::nullopt;
  const auto& reference = model.reference().quality;
  if (!variant.quality || !reference || reference->value.value <= 0) return absent_cell();
  const double base = reference->value.value;
  Estimate kept{100 * variant.quality->value.value / base, std::nullopt};
  // Of the paired difference: what both have in common does not count.
  if (const auto& paired = variant.quality->against_reference; paired && paired->interval)
    kept.interval =
        Interval{100 * (1 + paired->interval->low / base), 100 * (1 + paired->interval->high / base)};
  return PanelCell{kept, fixed(kept.value, 1) + " %"};
}

std::optional<PanelCell> memory_cell(const Model&, const Variant& variant) {
  if (!variant.peak_memory_bytes) return absent_cell();
  return PanelCell{Estimate{*variant.peak_memory_bytes / 1e6, std::nullopt},
                   significant(*variant.peak_memory_bytes / 1e6)};
}

std::optional<PanelCell> energy_cell(const Model&, const Variant& variant) {
  if (!variant.joules || variant.energy_estimated) return absent_cell();
  return PanelCell{Estimate{*variant.joules, std::nullopt}, significant(*variant.joules)};
}

CellOf speed_cell(const std::string& test) {
  return [test](const Model&, const Variant& variant) -> std::optional<PanelCell> {
    const Speed* speed = variant.speed(test);
    if (speed == nullptr) return absent_cell();
    return PanelCell{speed->value, significant(speed->value.value) + (speed->noisy ? " †" : "")};
  };
}

CellOf other_quality_cell(const std::string& name) {
  return [name](const Model&, const Variant& variant) -> std::optional<PanelCell> {
    const Estimate* estimate = variant.other(name);
    if (estimate == nullptr) return absent_cell();
    if (name == "perplexity") return PanelCell{*estimate, significant(estimate->value)};
    return PanelCell{scaled(*estimate, 100), percent(estimate->value)};
  };
}

std::string rounds_text(const std::vector<Model>& models, const std::string& test) {
  int fewest = 0, most = 0, left_out = 0;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      const Speed* speed = variant.speed(test);
      if (speed == nullptr) continue;
      fewest = fewest == 0 ? speed->rounds : std::min(fewest, speed->rounds);
      most = std::max(most, speed->rounds);
      left_out += speed->left_out;
    }
  }
  if (most == 0) return "";
  std::string text =
      fewest == most ? std::to_string(most) : std::to_string(fewest) + " to " + std::to_string(most);
  text += most == 1 ? " round" : " interleaved rounds";
  if (left_out > 0) text += " (disturbed ones left out)";
  return text;
}

std::string timing_caption(const std::vector<Model>& models, const std::string& test) {
  bool intervals = false, noisy = false;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      const Speed* speed = variant.speed(test);
      if (speed == nullptr) continue;
      intervals = intervals || speed->value.interval.has_value();
      noisy = noisy || speed->noisy;
    }
  }
  std::string text = "median of " + rounds_text(models, test);
  if (intervals) text += " with 95 % bootstrap interval over rounds";
  text += ", " + threads_text(models, test) + ".";
  if (noisy) text += " † while other programs used the processor.";
  return text;
}

std::string data_name(const std::vector<Model>& models, const std::string& known,
                      const std::string& pattern) {
  std::string name;
  for (const Model& model : models) {
    std::string lower = model.data;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::string own = lower.find(pattern) != std::string::npos ? known : short_name(model.data);
    if (own.empty() || name.find(own) != std::string::npos) continue;
    name += (name.empty() ? "" : " and ") + own;
  }
  return name;
}

std::string short_name(const std::string& text) {
  const auto slash = text.rfind('/');
  return slash == std::string::npos || text.front() != '/' ? text : text.substr(slash + 1);
}

std::string threads_text(const std::vector<Model>& models, const std::string& test) {
  for (const Model& model : models) {
    for (const Variant& variant : model.variants)
      if (const Speed* speed = variant.speed(test))
        return std::to_string(speed->threads) + (speed->threads == 1 ? " thread" : " threads");
  }
  return "";
}

std::string count_text(const std::vector<Model>& models, const std::string& unit) {
  std::int64_t fewest = 0, most = 0;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      if (!variant.quality || variant.quality->count <= 0) continue;
      fewest = fewest == 0 ? variant.quality->count : std::min(fewest, variant.quality->count);
      most = std::max(most, variant.quality->count);
    }
  }
  if (most == 0) return "an unknown number of " + unit;
  return (fewest == most ? grouped(most) : grouped(fewest) + " to " + grouped(most)) + " " + unit;
}

}  // namespace assay::report
