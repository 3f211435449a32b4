#include <cmath>
#include <set>

#include "report/cells.h"
#include "report/findings.h"
#include "report/json_fields.h"
#include "report/markup.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

// COCO val2017 and LAMBADA as they are published.
constexpr std::int64_t kAllPictures = 5000;
constexpr std::int64_t kAllPassages = 5153;
// More names than these are counted instead.
constexpr std::size_t kNames = 4;
// From this many rounds on, their range holds the median in more than 95 % of cases: 1 - 2^(1 - 6).
constexpr int kRoundsForMedian = 6;

std::int64_t fewest(const std::vector<Model>& models) {
  std::int64_t count = 0;
  for (const Model& model : models)
    for (const Variant& variant : model.variants)
      if (variant.quality && variant.quality->count > 0 && (count == 0 || variant.quality->count < count))
        count = variant.quality->count;
  return count;
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + escape_markup(name);
  return text;
}

int comparisons(const std::vector<Model>& models) {
  int count = 0;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      count += variant.quality && variant.quality->against_reference ? 1 : 0;
      for (const Speed& speed : variant.speeds) count += speed.speedup && speed.speedup->interval ? 1 : 0;
    }
  }
  return count;
}

// Over everything that was timed more than once; 0 where nothing was.
int fewest_rounds(const Study& study) {
  int fewest = 0;
  for (const auto* models : {&study.detectors, &study.llms})
    for (const Model& model : *models)
      for (const Variant& variant : model.variants)
        for (const Speed& speed : variant.speeds)
          if (speed.rounds >= 2 && (fewest == 0 || speed.rounds < fewest)) fewest = speed.rounds;
  return fewest;
}

}  // namespace

std::vector<std::string> limits(const Study& study) {
  std::vector<std::string> result;
  if (const auto n = fewest(study.detectors); n > 0 && n < kAllPictures) {
    const std::string data = data_name(study.detectors, "COCO val2017", "val2017");
    result.push_back(
        "The detectors were judged on " + count_text(study.detectors, "pictures") +
        (data == "COCO val2017" ? " of the 5,000 of COCO val2017" : "") +
        ". Categories with few objects weigh as much as the others, so this AP is not to be compared with "
        "published figures; variants of a model, which saw the same pictures, can be compared.");
  }
  if (const auto n = fewest(study.llms); n > 0 && n < kAllPassages) {
    const std::string data = data_name(study.llms, "LAMBADA", "lambada");
    result.push_back("The language models were judged on " + count_text(study.llms, "passages") +
                     (data == "LAMBADA" ? " of the 5,153 of LAMBADA"
                                        : ", which are not LAMBADA's: these accuracies are not to be "
                                          "compared with published ones") +
                     ". Differences smaller than the intervals cannot be seen.");
  }
  std::set<std::string> dequantized, disturbed;
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        if (variant.dequantized) dequantized.insert(model.name);
        for (const Speed& speed : variant.speeds)
          if (speed.noisy) disturbed.insert(model.name + " " + variant.name);
      }
    }
  }
  if (!dequantized.empty()) {
    result.push_back("The float reference of " + joined(dequantized) +
                     " was made from constants that had been quantized or float16 "
                     "before. What was lost then is not counted here, and a quantization close to the "
                     "earlier one looks better than it would "
                     "from the original weights.");
  }
  if (!disturbed.empty()) {
    result.push_back(
        "Other programs used the processor while " +
        (disturbed.size() > kNames ? std::to_string(disturbed.size()) + " variants" : joined(disturbed)) +
        " were timed, in so many rounds that they had to be used; these times are too long "
        "rather than too short.");
  }
  for (const Json& environment : study.environments) {
    if (const auto cpus = number_at(environment, "usable_cpus"); cpus && *cpus <= 4) {
      result.push_back("The machine is small (" + fixed(*cpus, 0) +
                       " logical processors) and may be a virtual one, whose clock, caches and "
                       "neighbours cannot be controlled; speeds hold for this machine, ratios may carry over "
                       "to similar ones.");
      break;
    }
  }
  if (const int rounds = fewest_rounds(study); rounds >= 2 && rounds < kRoundsForMedian) {
    const double confidence = 1 - std::pow(2.0, 1 - rounds);
    result.push_back(
        "Intervals of times are those of few rounds. That of a median of " + std::to_string(rounds) +
        " rounds can be no wider than their range, which holds the true median in " +
        fixed(100 * confidence, 0) +
        " % of cases and not in 95 %. Ratios of speeds have Student's intervals, which allow for that.");
  }
  if (study.environments.size() > 1) {
    result.push_back(
        "The measurements come from " + std::to_string(study.environments.size()) +
        " different machines, builds or states of a machine; times from different ones are not comparable.");
  }
  if (const int count = comparisons(study.detectors) + comparisons(study.llms); count >= 5) {
    result.push_back(
        std::to_string(count) +
        " comparisons with a reference were made, each at a level of 5 %. If nothing differed at all, "
        "about " +
        fixed(0.05 * count, 1) +
        " of them would be expected to look like a difference by chance; no correction was applied.");
  }
  if (!study.failures.empty()) {
    result.push_back(
        std::to_string(study.failures.size()) +
        (study.failures.size() == 1 ? " measurement failed and is" : " measurements failed and are") +
        " missing from figures and tables ([#failures]).");
  }
  result.push_back(
      "AP and the last word of a passage are one property each. That a figure is not distinguishable from "
      "the reference's does not mean "
      "that outputs are equal, nor that another task would see no change.");
  return result;
}

}  // namespace assay::report
