#include "report/findings.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "report/markup.h"
#include "report/numbers.h"
#include "report/pareto.h"
#include "report/phrases.h"

namespace assay::report {
namespace {

// Of more models, sentences say what holds of all, and the tables have the rest.
constexpr std::size_t kModelsInSentences = 4;

// "both detectors", "all 3 detectors", "1 of 2 detectors"; of one, "the detector".
std::string share_of(int count, int all, const std::string& kind) {
  if (all == 1) return "the " + kind.substr(0, kind.size() - 1);
  if (count == all) return all == 2 ? "both " + kind : "all " + std::to_string(all) + " " + kind;
  return std::to_string(count) + " of " + std::to_string(all) + " " + kind;
}

// The same after a verb.
std::string of_models(int count, int all, const std::string& kind) {
  return all == 1 ? "" : " in " + share_of(count, all, kind);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return text;
}

// What one variant did to accuracy, over the models that have it.
struct Tally {
  int compared = 0, lower = 0, higher = 0, same = 0;
  int timed = 0, faster = 0, slower = 0;
  double smallest_ratio = 0, largest_ratio = 0;
  double fastest = 0, slowest = 0;
};

Tally tally(const std::vector<Model>& models, const std::string& name) {
  Tally result;
  for (const Model& model : models) {
    const Variant* variant = model.variant(name);
    if (variant == nullptr || variant->is_reference) continue;
    if (variant->quality && variant->quality->against_reference) {
      const Verdict said = verdict(*variant->quality->against_reference);
      result.compared += said != Verdict::kUnknown ? 1 : 0;
      result.lower += said == Verdict::kLower ? 1 : 0;
      result.higher += said == Verdict::kHigher ? 1 : 0;
      result.same += said == Verdict::kNotDistinguishable ? 1 : 0;
    }
    if (const Speed* speed = variant->speed(words_of(model.task).test); speed != nullptr && speed->speedup) {
      const SpeedVerdict said = speed_verdict(*speed);
      result.timed += said != SpeedVerdict::kUnknown ? 1 : 0;
      result.faster += said == SpeedVerdict::kFaster ? 1 : 0;
      result.slower += said == SpeedVerdict::kSlower ? 1 : 0;
      if (said == SpeedVerdict::kFaster) {
        result.fastest = std::max(result.fastest, speed->speedup->value);
        result.slowest =
            result.slowest == 0 ? speed->speedup->value : std::min(result.slowest, speed->speedup->value);
      }
    }
    if (model.reference().bytes && variant->bytes && *variant->bytes > 0) {
      const double ratio = *model.reference().bytes / *variant->bytes;
      result.smallest_ratio = result.smallest_ratio == 0 ? ratio : std::min(result.smallest_ratio, ratio);
      result.largest_ratio = std::max(result.largest_ratio, ratio);
    }
  }
  return result;
}

std::string range_text(double low, double high, int decimals) {
  const std::string a = fixed(low, decimals), b = fixed(high, decimals);
  return a == b ? a : a + " to " + b;
}

std::string accuracy_headline(const std::string& variant, const Tally& t, const Words& words,
                              const std::string& kind) {
  std::string text = variant;
  if (t.smallest_ratio > 1.005)
    text += " is " + range_text(t.smallest_ratio, t.largest_ratio, 1) + " times smaller";
  const std::string joint = t.smallest_ratio > 1.005 ? " and " : " ";
  if (t.compared == 0) return text + (t.smallest_ratio > 1.005 ? "" : ": no paired comparison");
  if (t.lower > 0) return text + joint + "costs " + words.quality + of_models(t.lower, t.compared, kind);
  return text + joint + "shows no loss of " + words.quality;
}

std::string sentence_of(const Model& model, const Variant& variant, bool with_speed) {
  const Words words = words_of(model.task);
  std::vector<std::string> clauses;
  const std::string size = size_clause(model, variant);
  if (!size.empty()) clauses.push_back("it is " + size);
  if (const std::string quality = quality_clause(model, variant); !quality.empty())
    clauses.push_back(quality);
  if (with_speed)
    if (const std::string speed = speed_clause(model, variant, words.test, words.doing); !speed.empty())
      clauses.push_back(speed);
  if (clauses.empty()) return "";
  std::string text = escape_markup(model.name) + ", " + escape_markup(variant.name) + ": ";
  for (std::size_t i = 0; i < clauses.size(); ++i) text += (i == 0 ? "" : "; ") + clauses[i];
  return text + ".";
}

// The model that a variant changed most, with its interval.
std::string largest_change(const std::vector<Model>& models, const std::string& name) {
  const Model* most = nullptr;
  const Variant* variant = nullptr;
  for (const Model& model : models) {
    const Variant* candidate = model.variant(name);
    if (candidate == nullptr || !candidate->quality || !candidate->quality->against_reference) continue;
    const double change = candidate->quality->against_reference->difference;
    if (most != nullptr && change >= variant->quality->against_reference->difference) continue;
    most = &model;
    variant = candidate;
  }
  if (most == nullptr) return "";
  std::string text = quality_clause(*most, *variant);
  if (text.rfind("its ", 0) == 0) text = escape_markup(most->name) + "'s " + text.substr(4);
  return (models.size() > 1 ? "The lowest against its reference: " : "") + text + ".";
}

std::optional<Finding> variant_finding(const std::string& topic, const std::string& kind,
                                       const std::vector<Model>& models, const std::string& name) {
  Finding finding{topic, name, name, "", {}};
  for (const Model& model : models) {
    const Variant* variant = model.variant(name);
    if (variant == nullptr || variant->is_reference) continue;
    if (const std::string sentence = sentence_of(model, *variant, true); !sentence.empty())
      finding.sentences.push_back(sentence);
  }
  if (finding.sentences.empty()) return std::nullopt;
  finding.headline = accuracy_headline(name, tally(models, name), words_of(models.front().task), kind);
  if (finding.sentences.size() > kModelsInSentences)
    finding.sentences = {escape_markup(finding.headline) + ". " + largest_change(models, name)};
  return finding;
}

// The most that a variant keeps of its reference's accuracy, by the paired interval, as a share.
std::optional<double> kept_at_most(const Model& model, const Variant& variant) {
  const auto& reference = model.reference().quality;
  if (variant.is_reference || !reference || reference->value.value <= 0) return std::nullopt;
  if (!variant.quality || !variant.quality->against_reference ||
      !variant.quality->against_reference->interval)
    return std::nullopt;
  return 1 + variant.quality->against_reference->interval->high / reference->value.value;
}

bool is_broken(const Model& model, const Variant& variant) {
  const auto at_most = kept_at_most(model, variant);
  return at_most && *at_most < kBroken;
}

std::optional<Finding> speed_finding(const std::string& topic, const std::string& kind,
                                     const std::vector<Model>& models) {
  Finding finding{topic, "speed", "", "", {}};
  const Words words = words_of(models.front().task);
  std::vector<std::string> slower;
  std::string best;
  double most = 0;
  int timed = 0;
  bool broken_is_faster = false;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      const Speed* speed = variant.speed(words.test);
      if (speed == nullptr || !speed->speedup) continue;
      const SpeedVerdict said = speed_verdict(*speed);
      timed += said != SpeedVerdict::kUnknown ? 1 : 0;
      // What no longer works is not worth its speed.
      if (said == SpeedVerdict::kFaster && is_broken(model, variant)) {
        broken_is_faster = true;
        continue;
      }
      if (said == SpeedVerdict::kFaster && speed->speedup->value > most) {
        most = speed->speedup->value;
        best = variant.name;
      }
      if (said == SpeedVerdict::kSlower)
        slower.push_back(escape_markup(model.name) + " in " + escape_markup(variant.name));
    }
  }
  if (timed == 0) return std::nullopt;
  if (best.empty()) {
    finding.headline = std::string("No quantization ") + (broken_is_faster ? "that still works " : "") +
                       "made " + words.doing + " measurably faster on this CPU";
  } else {
    const Tally t = tally(models, best);
    finding.variant = best;
    finding.headline = best + " makes " + words.doing + " " + range_text(t.slowest, t.fastest, 2) +
                       " times as fast" + of_models(t.faster, t.timed, kind);
  }
  if (!slower.empty()) {
    std::string text = "Slower than their reference: ";
    for (std::size_t i = 0; i < slower.size(); ++i) text += (i == 0 ? "" : ", ") + slower[i];
    finding.sentences.push_back(text + ".");
  }
  return finding;
}

// The smallest variant that is not shown to be worse. `judged`: how many could be.
const Variant* smallest_unharmed(const Model& model, int* judged) {
  const Variant* best = nullptr;
  *judged = 0;
  for (const Variant& variant : model.variants) {
    if (variant.is_reference || !variant.quality || !variant.bytes || !variant.quality->against_reference)
      continue;
    // What is not smaller buys nothing here.
    if (!model.reference().bytes || *variant.bytes >= *model.reference().bytes) continue;
    const Verdict said = verdict(*variant.quality->against_reference);
    if (said == Verdict::kUnknown) continue;
    ++*judged;
    if (said != Verdict::kLower && (best == nullptr || *variant.bytes < *best->bytes)) best = &variant;
  }
  return best;
}

// "YOLOX: int8, 3.0 times smaller (3.92 to 1.30 MB), AP 28.5 %; ..."
std::string smallest_forms(const std::vector<Model>& models) {
  std::string text;
  for (const Model& model : models) {
    int judged = 0;
    const Variant* best = smallest_unharmed(model, &judged);
    if (judged == 0) continue;
    if (best == nullptr) continue;
    text += (text.empty() ? "" : "; ") + escape_markup(model.name) + ": " + escape_markup(best->name) + ", " +
            size_clause(model, *best) + ", " + words_of(model.task).quality + " " +
            percent(best->quality->value.value) + " %";
  }
  return text.empty() ? text : text + ".";
}

// The smallest variant of each model that is not shown to be worse.
std::optional<Finding> tradeoff_finding(const std::string& topic, const std::vector<Model>& models,
                                        const std::string& figure) {
  Finding finding{topic, "tradeoff", "", "", {}};
  const Words words = words_of(models.front().task);
  std::vector<std::string> chosen;
  for (const Model& model : models) {
    int judged = 0;
    const Variant* best = smallest_unharmed(model, &judged);
    if (judged == 0) continue;
    if (best == nullptr) {
      finding.sentences.push_back("Every form of " + escape_markup(model.name) +
                                  " that is smaller than its reference lowers its " + words.quality + ".");
      chosen.emplace_back("none");
      continue;
    }
    chosen.push_back(best->name);
    std::string text = "The smallest form of " + escape_markup(model.name) + " whose " + words.quality +
                       " is not shown to be lower is " + escape_markup(best->name) + ": " +
                       size_clause(model, *best) + ", " + words.quality + " " +
                       percent(best->quality->value.value) + " %";
    const auto& paired = best->quality->against_reference;
    if (paired->interval && paired->interval->low < 0)
      text += "; the interval leaves room for a loss of up to " + fixed(-100 * paired->interval->low, 2) +
              " points";
    finding.sentences.push_back(text + ".");
  }
  if (chosen.empty()) return std::nullopt;
  const bool alike =
      std::all_of(chosen.begin(), chosen.end(), [&](const std::string& c) { return c == chosen.front(); });
  if (alike && chosen.front() == "none") {
    finding.headline = "Every smaller form costs " + words.quality;
  } else if (alike) {
    finding.headline = chosen.front() + " is the smallest form without a measurable loss of " + words.quality;
  } else {
    finding.headline =
        "How small one can go without a measurable loss of " + words.quality + " depends on the model";
  }
  std::vector<Tradeoff> all;
  std::vector<std::string> names;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      if (!variant.bytes || !variant.quality) continue;
      all.push_back({*variant.bytes, variant.quality->value, model.data});
      names.push_back(escape_markup(model.name + " " + variant.name));
    }
  }
  std::string front;
  const auto standings = pareto(all);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (standings[i] == Standing::kFront) front += (front.empty() ? "" : ", ") + names[i];
  if (all.size() > 1)
    finding.sentences.push_back("On the Pareto front ([#" + figure +
                                "]), which means that no other that was judged on the same data is both "
                                "smaller and better by the figures themselves: " +
                                front + ".");
  return finding;
}

// The widest variant that surely keeps less than kBroken of the reference's accuracy.
std::optional<Finding> breakdown_finding(const std::vector<Model>& models) {
  Finding finding{"llms", "breakdown", "", "", {}};
  std::vector<std::string> broken;
  int judged = 0;
  for (const Model& model : models) {
    const Variant* widest = nullptr;
    bool any = false;
    for (const Variant& variant : model.variants) {
      if (!kept_at_most(model, variant)) continue;
      any = true;
      if (is_broken(model, variant) &&
          (widest == nullptr || variant.bits.value_or(0) > widest->bits.value_or(0)))
        widest = &variant;
    }
    judged += any ? 1 : 0;
    if (widest == nullptr) continue;
    broken.push_back(widest->name);
    const double base = model.reference().quality->value.value, value = widest->quality->value.value;
    finding.sentences.push_back(
        escape_markup(model.name) + " breaks down at " + escape_markup(widest->name) + ": it keeps " +
        fixed(100 * value / base, 1) + " % of the reference's accuracy, by the paired interval at most " +
        fixed(100 * *kept_at_most(model, *widest), 1) + " % (" + percent(value) + " % after " +
        percent(base) + " %, " + grouped(widest->quality->count) + " passages).");
  }
  if (judged == 0) return std::nullopt;
  if (broken.empty()) {
    finding.headline = "No quantization broke a model down";
    finding.sentences.push_back("No quantization is shown to take more than half of a model's accuracy.");
    return finding;
  }
  const bool alike =
      std::all_of(broken.begin(), broken.end(), [&](const std::string& b) { return b == broken.front(); });
  std::string who = share_of(static_cast<int>(broken.size()), judged, "language models");
  who[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(who[0])));
  finding.headline = who + (judged == 1 ? " breaks down" : " break down") +
                     (alike ? " at " + broken.front() : " at few bits");
  return finding;
}

std::vector<std::string> quantized_variants(const std::vector<Model>& models) {
  std::vector<std::string> names;
  for (const Model& model : models)
    for (const Variant& variant : model.variants)
      if (!variant.is_reference && std::find(names.begin(), names.end(), variant.name) == names.end())
        names.push_back(variant.name);
  return names;
}

void add(std::vector<Finding>& findings, std::optional<Finding> finding) {
  if (finding) findings.push_back(std::move(*finding));
}

// "no loss of AP is shown with float16 and int8; it is lower with int8-dynamic in 1 of 2 detectors"
std::string accuracy_summary(const std::vector<Model>& models, const std::string& kind) {
  const Words words = words_of(models.front().task);
  std::vector<std::string> harmless, harmful;
  for (const std::string& name : quantized_variants(models)) {
    const Tally t = tally(models, name);
    if (t.compared == 0) continue;
    if (t.lower == 0) harmless.push_back(name);
    if (t.lower > 0) harmful.push_back(name + of_models(t.lower, t.compared, kind));
  }
  std::string text;
  if (!harmless.empty()) text = "no loss of " + words.quality + " is shown with " + listed(harmless);
  if (!harmful.empty())
    text += (text.empty() ? words.quality : std::string("; it")) + " is lower with " + listed(harmful);
  return text;
}

}  // namespace

std::vector<Finding> detector_findings(const Study& study) {
  std::vector<Finding> findings;
  if (study.detectors.empty()) return findings;
  for (const std::string& name : quantized_variants(study.detectors))
    add(findings, variant_finding("detectors", "detectors", study.detectors, name));
  add(findings, speed_finding("detectors", "detectors", study.detectors));
  add(findings, tradeoff_finding("detectors", study.detectors, "detector-ap-size"));
  return findings;
}

std::vector<Finding> llm_findings(const Study& study) {
  std::vector<Finding> findings;
  if (study.llms.empty()) return findings;
  for (const std::string& name : quantized_variants(study.llms))
    add(findings, variant_finding("llms", "language models", study.llms, name));
  add(findings, speed_finding("llms", "language models", study.llms));
  add(findings, breakdown_finding(study.llms));
  add(findings, tradeoff_finding("llms", study.llms, "llm-accuracy-size"));
  return findings;
}

std::vector<std::string> summary(const Study& study) {
  std::vector<std::string> lines;
  const auto add_task = [&](const std::vector<Model>& models, const std::string& name,
                            const std::string& kind, const std::vector<Finding>& findings) {
    if (models.empty()) return;
    if (const std::string accuracy = accuracy_summary(models, kind); !accuracy.empty())
      lines.push_back(name + ": " + accuracy);
    for (const Finding& finding : findings)
      if (finding.id == "speed" || finding.id == "tradeoff" || finding.id == "breakdown")
        lines.push_back(finding.headline);
  };
  add_task(study.detectors, "Detectors", "detectors", detector_findings(study));
  add_task(study.llms, "Language models", "language models", llm_findings(study));
  return lines;
}

std::vector<std::string> conclusions(const Study& study, store::Task task) {
  const bool detectors = task == store::Task::kDetector;
  const auto& models = detectors ? study.detectors : study.llms;
  std::vector<std::string> points;
  for (const Finding& finding : detectors ? detector_findings(study) : llm_findings(study)) {
    std::string text = escape_markup(finding.headline) + ".";
    if (finding.id == "speed") {
      for (const Model& model : models) {
        const Variant* variant = model.variant(finding.variant);
        const Words words = words_of(model.task);
        if (variant == nullptr) continue;
        if (const std::string clause = speed_clause(model, *variant, words.test, words.doing);
            !clause.empty())
          text += " " + escape_markup(model.name) + ": " + clause + ".";
      }
    }
    if (finding.id == "breakdown" || finding.id == "speed") {
      for (const std::string& sentence : finding.sentences) text += " " + sentence;
    } else if (finding.id == "tradeoff") {
      text += " " + smallest_forms(models);
    } else if (const std::string largest = largest_change(models, finding.id); !largest.empty()) {
      text += " " + largest;
    }
    points.push_back(text);
  }
  return points;
}

}  // namespace assay::report
