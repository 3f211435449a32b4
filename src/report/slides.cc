#include "report/slides.h"

#include <algorithm>

#include "report/cells.h"
#include "report/facts.h"
#include "report/markup.h"
#include "report/numbers.h"
#include "report/phrases.h"

namespace assay::report {
namespace {

// More names than these are counted instead.
constexpr std::size_t kNames = 4;

const Finding* find(const std::vector<Finding>& findings, const std::string& id) {
  for (const Finding& finding : findings)
    if (finding.id == id) return &finding;
  return nullptr;
}

const Figure* find(const std::vector<Figure>& figures, const std::string& id) {
  for (const Figure& figure : figures)
    if (figure.id == id) return &figure;
  return nullptr;
}

Json slide(const std::string& kind, const std::string& title) {
  return Json{
      {"kind", kind}, {"title", title}, {"figures", Json::array()}, {"bullets", Json::array()}, {"note", ""}};
}

void add_figure(std::vector<Json>& slides, const std::vector<Figure>& figures, const std::string& title,
                const std::vector<std::string>& ids, const std::string& note) {
  Json made = slide("figure", title);
  for (const std::string& id : ids)
    if (find(figures, id) != nullptr) made["figures"].push_back(id);
  if (made["figures"].empty()) return;
  made["note"] = note;
  slides.push_back(std::move(made));
}

std::string headline(const std::vector<Finding>& findings, const std::string& id,
                     const std::string& neutral) {
  const Finding* finding = find(findings, id);
  return finding == nullptr ? neutral : finding->headline;
}

// The figure's own title where no finding says more.
std::string size_title(const std::vector<Model>& models) {
  double most = 0;
  std::string name;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      if (!model.reference().bytes || !variant.bytes || *variant.bytes <= 0) continue;
      if (*model.reference().bytes / *variant.bytes > most) {
        most = *model.reference().bytes / *variant.bytes;
        name = variant.name;
      }
    }
  }
  return most > 1.05 ? name + " makes a model up to " + fixed(most, 1) + " times smaller"
                     : "Size by model and quantization";
}

// How many paired comparisons say "lower".
std::string quality_title(const std::vector<Model>& models) {
  const Words words = words_of(models.front().task);
  int lower = 0, judged = 0;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      if (!variant.quality || !variant.quality->against_reference) continue;
      const Verdict said = verdict(*variant.quality->against_reference);
      judged += said != Verdict::kUnknown ? 1 : 0;
      lower += said == Verdict::kLower ? 1 : 0;
    }
  }
  if (judged == 0)
    return words.quality == "AP" ? "AP by model and quantization" : "Accuracy by model and quantization";
  if (lower == 0) return "No quantization shows a loss of " + words.quality;
  return std::to_string(lower) + " of " + std::to_string(judged) + " quantized models measurably lose " +
         words.quality;
}

std::string counted(const std::vector<Model>& models, const Words& words) {
  return "n = " + count_text(models, words.counted) + ", 95 % intervals";
}

void add_detectors(std::vector<Json>& slides, const Study& study, const std::vector<Figure>& figures) {
  const auto& models = study.detectors;
  if (models.empty()) return;
  const auto findings = detector_findings(study);
  const std::string note = counted(models, words_of(store::Task::kDetector));
  add_figure(slides, figures, size_title(models), {"detector-size"}, "Size of the file in MB");
  add_figure(slides, figures, quality_title(models), {"detector-ap"}, "COCO AP in percent, " + note);
  add_figure(slides, figures, headline(findings, "speed", "Inference time by model and quantization"),
             {"detector-time"}, "Seconds per picture, median over rounds with 95 % interval");
  add_figure(slides, figures, headline(findings, "tradeoff", "AP against size"), {"detector-ap-size"},
             "Line: Pareto front; " + note);
  if (find(figures, "detector-drawing-1") != nullptr) {
    Json made = slide("pictures", "The same picture, model by model: " + models.front().name);
    made["figures"].push_back("detector-drawing-1");
    made["note"] = "One picture illustrates; it proves nothing";
    slides.push_back(std::move(made));
  } else if (models.size() <= 2) {
    add_figure(slides, figures, "Where the detectors change: AP by category", {"detector-categories"},
               "Points of AP; few objects each, no intervals");
  }
}

void add_llms(std::vector<Json>& slides, const Study& study, const std::vector<Figure>& figures) {
  const auto& models = study.llms;
  if (models.empty()) return;
  const auto findings = llm_findings(study);
  const std::string note = counted(models, words_of(store::Task::kLlm));
  add_figure(slides, figures, size_title(models), {"llm-size"}, "All bytes needed to run the model, in MB");
  add_figure(slides, figures, quality_title(models), {"llm-top1"}, "Accuracy (top 1) in percent, " + note);
  add_figure(slides, figures, headline(findings, "speed", "Speed by model and quantization"),
             {"llm-generate"}, "Tokens per second in generation, median over rounds with 95 % interval");
  add_figure(slides, figures, headline(findings, "breakdown", "Accuracy against size"), {"llm-accuracy-size"},
             "Line: Pareto front; " + note);
  add_figure(slides, figures, "Where the error arises, layer by layer: " + models.front().name,
             {"llm-layers-1"}, "Signal to quantization noise of each layer's outputs, dB; dark is worse");
}

// The markup of a sentence as plain text, without what refers to the report.
std::string spoken(const std::string& sentence) {
  MarkupContext context;
  const auto blocks = parse_markup(sentence, context);
  if (!blocks || blocks->empty()) return sentence;
  return plain_text(blocks->front().lines.front());
}

}  // namespace

std::vector<Json> make_slides(const Study& study, const std::vector<Figure>& figures) {
  const auto facts = make_facts(study);
  std::vector<Json> slides;
  slides.push_back(slide("title", study.title));
  Json question = slide("bullets", "What was measured");
  const auto add_subjects = [&](const std::vector<Model>& models, const std::string& what,
                                const std::string& prefix) {
    if (models.empty()) return;
    const std::string names = models.size() <= kNames ? facts.at(prefix + ".names") : facts.at(prefix);
    const std::string& variants = facts.at(prefix + ".variants");
    question["bullets"].push_back(what + ": " + names +
                                  (variants.empty() ? "" : ", as " + variants + " against ") +
                                  (variants.empty() ? "" : facts.at(prefix + ".reference")));
  };
  add_subjects(study.detectors, "Object detectors", "detectors");
  add_subjects(study.llms, "Language models", "llms");
  std::string data;
  if (!facts.at("detectors.count").empty() && !study.detectors.empty())
    data = facts.at("detectors.count") + " (" + facts.at("detectors.data") + ")";
  if (!study.llms.empty())
    data += (data.empty() ? "" : ", ") + (facts.at("llms.count") + " (" + facts.at("llms.data") + ")");
  question["bullets"].push_back("Accuracy: " + data +
                                "; every variant sees the same, so they are compared in pairs");
  const std::string timing =
      facts.at("detectors.rounds").empty() ? facts.at("llms.rounds") : facts.at("detectors.rounds");
  if (!timing.empty()) question["bullets"].push_back("Speed: medians of " + timing);
  question["bullets"].push_back("Machine: " + facts.at("machine.cpu") +
                                (facts.at("machine.cpus").empty() ? "" : ", " + facts.at("machine.cpus")));
  slides.push_back(std::move(question));
  add_detectors(slides, study, figures);
  add_llms(slides, study, figures);
  Json conclusions = slide("bullets", "Conclusions");
  for (const std::string& line : summary(study)) conclusions["bullets"].push_back(line);
  slides.push_back(std::move(conclusions));
  Json bounds = slide("bullets", "What these figures do not say");
  for (const std::string& limit : limits(study)) {
    const std::string text = spoken(limit);
    // The first sentence; the report has the rest.
    const auto stop = text.find(". ");
    bounds["bullets"].push_back(stop == std::string::npos ? text : text.substr(0, stop + 1));
  }
  slides.push_back(std::move(bounds));
  return slides;
}

}  // namespace assay::report
