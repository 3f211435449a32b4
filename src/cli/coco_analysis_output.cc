// Intervals, comparison, errors and explanation, as JSON and for people.
#include <fmt/format.h>

#include "cli/coco_output.h"
#include "cli/text.h"

namespace assay::cli {
namespace {

using namespace eval::coco;
using nlohmann::ordered_json;

ordered_json interval_json(const Interval& interval) {
  return {{"low", interval.low}, {"high", interval.high}, {"stderr", interval.standard_error}};
}

ordered_json paired_json(const PairedFigure& figure) {
  return {{"first", figure.first},           {"second", figure.second},
          {"difference", figure.difference}, {"low", figure.interval.low},
          {"high", figure.interval.high},    {"stderr", figure.interval.standard_error},
          {"p_value", figure.p_value}};
}

// Calls `take(name, area index)` for AP of each area range but the first.
template <typename Take>
void each_area(const CocoRecord& record, Take take) {
  for (std::size_t a = 1; a < record.areas.size(); ++a) take("AP " + printable(record.areas[a].name), a);
}

std::string intervals_text(const DetectionsRun& run) {
  TextTable table({{"95 % interval"},
                   {"value", TextTable::Align::kRight},
                   {"from", TextTable::Align::kRight},
                   {"to", TextTable::Align::kRight}});
  const auto row = [&](const std::string& name, double value, const Interval& interval) {
    table.add_row({name, fmt::format("{:.4f}", value), fmt::format("{:.4f}", interval.low),
                   fmt::format("{:.4f}", interval.high)});
  };
  row("AP", run.record.ap, run.intervals->ap);
  row("AP50", run.record.ap50, run.intervals->ap50);
  row("AP75", run.record.ap75, run.intervals->ap75);
  each_area(run.record, [&](const std::string& name, std::size_t a) {
    row(name, run.record.areas[a].ap, run.intervals->areas[a]);
  });
  return "\n" + table.render();
}

std::string comparison_text(const DetectionsRun& run) {
  using Align = TextTable::Align;
  TextTable table({{"comparison"},
                   {"first", Align::kRight},
                   {"second", Align::kRight},
                   {"difference", Align::kRight},
                   {"95 % interval", Align::kRight},
                   {"p", Align::kRight}});
  const auto row = [&](const std::string& name, const PairedFigure& figure) {
    table.add_row({name, fmt::format("{:.4f}", figure.first), fmt::format("{:.4f}", figure.second),
                   fmt::format("{:+.4f}", figure.difference),
                   fmt::format("{:+.4f} to {:+.4f}", figure.interval.low, figure.interval.high),
                   fmt::format("{:.3g}", figure.p_value)});
  };
  row("AP", run.comparison->ap);
  row("AP50", run.comparison->ap50);
  row("AP75", run.comparison->ap75);
  each_area(run.record, [&](const std::string& name, std::size_t a) { row(name, run.comparison->areas[a]); });
  return "\n" + table.render();
}

std::string errors_text(const ErrorAnalysis& errors) {
  TextTable table(
      {{"mistake"}, {"count", TextTable::Align::kRight}, {"costs AP50", TextTable::Align::kRight}});
  const auto row = [&](const char* name, const ErrorAnalysis::Kind& kind) {
    table.add_row({name, std::to_string(kind.count), fmt::format("{:.4f}", kind.cost)});
  };
  for (std::size_t k = 0; k < kMistakeKinds; ++k) row(kMistakeNames[k], errors.kinds[k]);
  row("all false positives", errors.false_positives);
  row("all false negatives", errors.false_negatives);
  return "\n" + table.render() + fmt::format("of an AP50 of {:.4f}, averaged as TIDE does\n", errors.ap);
}

std::string name_of(const Category& category) {
  return category.name.empty() ? category.id.text() : category.name;
}

ordered_json found_json(const ExplainRun& run, const std::vector<FoundByOne>& found, const Detections& by) {
  ordered_json list = ordered_json::array();
  for (const FoundByOne& entry : found) {
    const TruthBox& truth = run.annotations.boxes[entry.truth];
    list.push_back(
        {{"category", name_of(run.annotations.categories[static_cast<std::size_t>(truth.category)])},
         {"bbox", {truth.x, truth.y, truth.width, truth.height}},
         {"score", by.boxes[entry.detection].score},
         {"best_overlap_of_other", entry.best_overlap}});
  }
  return list;
}

std::string found_text(const ExplainRun& run, const std::vector<FoundByOne>& found, const Detections& by,
                       const char* who, const char* other) {
  std::string text;
  for (const FoundByOne& entry : found) {
    const TruthBox& truth = run.annotations.boxes[entry.truth];
    const Category& category = run.annotations.categories[static_cast<std::size_t>(truth.category)];
    text += fmt::format("  only {} finds the {} at {:.0f},{:.0f} {:.0f}x{:.0f} (score {:.3f}); ", who,
                        printable(name_of(category)), truth.x, truth.y, truth.width, truth.height,
                        by.boxes[entry.detection].score);
    text += entry.best_overlap > 0 ? fmt::format("{}'s best overlap is {:.2f}\n", other, entry.best_overlap)
                                   : fmt::format("{} has nothing there\n", other);
  }
  return text;
}

}  // namespace

void add_analyses(ordered_json& json, const DetectionsRun& run) {
  if (run.intervals) {
    ordered_json& object = json["intervals"];
    object = {{"AP", interval_json(run.intervals->ap)},
              {"AP50", interval_json(run.intervals->ap50)},
              {"AP75", interval_json(run.intervals->ap75)}};
    each_area(run.record, [&](const std::string& name, std::size_t a) {
      object[name] = interval_json(run.intervals->areas[a]);
    });
  }
  if (run.comparison) {
    ordered_json& object = json["comparison"];
    object = {{"AP", paired_json(run.comparison->ap)},
              {"AP50", paired_json(run.comparison->ap50)},
              {"AP75", paired_json(run.comparison->ap75)}};
    each_area(run.record, [&](const std::string& name, std::size_t a) {
      object[name] = paired_json(run.comparison->areas[a]);
    });
  }
  if (run.errors) {
    ordered_json& object = json["errors"];
    object["AP50"] = run.errors->ap;
    const auto add = [&](const char* name, const ErrorAnalysis::Kind& kind) {
      object[name] = {{"count", kind.count}, {"cost", kind.cost}};
    };
    for (std::size_t k = 0; k < kMistakeKinds; ++k) add(kMistakeNames[k], run.errors->kinds[k]);
    add("false_positives", run.errors->false_positives);
    add("false_negatives", run.errors->false_negatives);
  }
}

std::string analyses_text(const DetectionsRun& run) {
  std::string text;
  if (run.intervals) text += intervals_text(run);
  if (run.comparison) text += comparison_text(run);
  if (run.errors) text += errors_text(*run.errors);
  return text;
}

ordered_json explanation_json(const ExplainRun& run) {
  ordered_json json{{"same_images", run.explanation.same_images}, {"images", ordered_json::array()}};
  for (const ImageDifference& image : run.explanation.images) {
    json["images"].push_back(
        {{"image_id", id_json(run.annotations.images[static_cast<std::size_t>(image.image)])},
         {"truths", image.truths},
         {"only_first", found_json(run, image.only_first, run.first)},
         {"only_second", found_json(run, image.only_second, run.second)},
         {"false_positives_first", image.false_first},
         {"false_positives_second", image.false_second}});
  }
  return json;
}

std::string explanation_text(const ExplainRun& run, std::size_t num_images) {
  const auto& images = run.explanation.images;
  std::string text = fmt::format("{} images differ, {} do not\n", images.size(), run.explanation.same_images);
  for (std::size_t i = 0; i < images.size() && i < num_images; ++i) {
    const ImageDifference& image = images[i];
    text += fmt::format("image {}: {} to find, false positives {} in A, {} in B\n",
                        printable(run.annotations.images[static_cast<std::size_t>(image.image)].text()),
                        image.truths, image.false_first, image.false_second);
    text += found_text(run, image.only_first, run.first, "A", "B");
    text += found_text(run, image.only_second, run.second, "B", "A");
  }
  return text;
}

}  // namespace assay::cli
