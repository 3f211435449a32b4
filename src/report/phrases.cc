#include "report/phrases.h"

#include <algorithm>
#include <cmath>

#include "report/markup.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

// Two digits after the point; three where the first two say nothing.
std::string points(double share) { return signed_fixed(100 * share, 2); }

std::string basis(const Comparison& comparison, const Quality& quality, const Words& words) {
  std::string text;
  if (comparison.interval)
    text += "95 % interval " + points(comparison.interval->low) + " to " + points(comparison.interval->high);
  if (comparison.p_value) text += (text.empty() ? "" : ", ") + p_value(*comparison.p_value);
  return text + ", paired over " + grouped(quality.count) + " " + words.counted;
}

}  // namespace

Words words_of(store::Task task) {
  if (task == store::Task::kDetector) return {"AP", "pictures", "inference", "inference"};
  return {"accuracy", "passages", "generate", "generation"};
}

std::string quality_clause(const Model& model, const Variant& variant) {
  const Words words = words_of(model.task);
  if (!variant.quality) return "";
  const std::string reference = escape_markup(model.reference().name);
  if (!variant.quality->against_reference) {
    return "its " + words.quality + " is " + percent(variant.quality->value.value) +
           " %, which was not compared in pairs with " + reference + "'s";
  }
  const Comparison& comparison = *variant.quality->against_reference;
  const std::string by = fixed(100 * std::abs(comparison.difference), 2) + " points";
  switch (verdict(comparison)) {
    case Verdict::kLower:
      return "its " + words.quality + " is lower than " + reference + "'s by " + by + " (" +
             basis(comparison, *variant.quality, words) + ")";
    case Verdict::kHigher:
      return "its " + words.quality + " is higher than " + reference + "'s by " + by + " (" +
             basis(comparison, *variant.quality, words) + ")";
    case Verdict::kNotDistinguishable:
      return "its " + words.quality + " is not distinguishable from " + reference + "'s (difference " +
             points(comparison.difference) + " points, " + basis(comparison, *variant.quality, words) + ")";
    case Verdict::kUnknown:
      break;
  }
  return "its " + words.quality + " differs from " + reference + "'s by " + points(comparison.difference) +
         " points, of unknown certainty";
}

SpeedVerdict speed_verdict(const Speed& speed) {
  if (!speed.speedup || !speed.speedup->interval) return SpeedVerdict::kUnknown;
  if (speed.speedup->interval->low > 1) return SpeedVerdict::kFaster;
  if (speed.speedup->interval->high < 1) return SpeedVerdict::kSlower;
  return SpeedVerdict::kNotDistinguishable;
}

std::string speed_clause(const Model& model, const Variant& variant, const std::string& test,
                         const std::string& doing) {
  const Speed* speed = variant.speed(test);
  if (speed == nullptr || !speed->speedup) return "";
  const std::string reference = escape_markup(model.reference().name);
  const std::string times = fixed(speed->speedup->value, 2) + " times";
  if (!speed->speedup->interval)
    return doing + " was " + times + " as fast as with " + reference +
           " in the only round, which allows no conclusion";
  const std::string interval = " (95 % interval " + fixed(speed->speedup->interval->low, 2) + " to " +
                               fixed(speed->speedup->interval->high, 2) + ", " +
                               std::to_string(speed->rounds) + " rounds" +
                               (speed->noisy ? ", some disturbed by other programs" : "") + ")";
  switch (speed_verdict(*speed)) {
    case SpeedVerdict::kFaster:
      return doing + " is " + times + " as fast as with " + reference + interval;
    case SpeedVerdict::kSlower:
      return doing + " is slower, " + times + " as fast as with " + reference + interval;
    default:
      return "the speed of " + doing + " is not distinguishable from that with " + reference + ": " + times +
             interval;
  }
}

std::string size_clause(const Model& model, const Variant& variant) {
  const auto& before = model.reference().bytes;
  if (!before || !variant.bytes || *variant.bytes <= 0) return "";
  const double ratio = *before / *variant.bytes;
  const std::string sizes =
      " (" + significant(*before / 1e6) + " to " + significant(*variant.bytes / 1e6) + " MB)";
  if (ratio >= 1.005) return fixed(ratio, 2) + " times smaller" + sizes;
  return ratio > 0.995 ? "as large as before" + sizes : fixed(1 / ratio, 2) + " times larger" + sizes;
}

}  // namespace assay::report
