#include "report/facts.h"

#include <algorithm>

#include "report/cells.h"
#include "report/json_fields.h"
#include "report/numbers.h"

namespace assay::report {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

std::string in_words(std::size_t count) {
  constexpr const char* kWords[] = {"no",    "one",   "two",  "three", "four",   "five",  "six",
                                    "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  return count < std::size(kWords) ? kWords[count] : std::to_string(count);
}

void add_models(std::map<std::string, std::string>& facts, const std::string& prefix,
                const std::vector<Model>& models, const std::string& one, const std::string& unit,
                const std::string& test) {
  std::vector<std::string> names, variants, reference;
  for (const Model& model : models) {
    names.push_back(model.name);
    for (const Variant& variant : model.variants)
      if (variant.is_reference &&
          std::find(reference.begin(), reference.end(), variant.name) == reference.end())
        reference.push_back(variant.name);
  }
  for (const Model& model : models)
    for (const Variant& variant : model.variants)
      if (!variant.is_reference &&
          std::find(variants.begin(), variants.end(), variant.name) == variants.end())
        variants.push_back(variant.name);
  double calibration = 0;
  bool dequantized = false;
  for (const Model& model : models) {
    for (const Variant& variant : model.variants) {
      calibration = std::max(calibration, variant.calibration.value_or(0));
      dequantized = dequantized || variant.dequantized;
    }
  }
  facts[prefix] = models.empty() ? "" : in_words(models.size()) + " " + one + (models.size() == 1 ? "" : "s");
  facts[prefix + ".names"] = listed(names);
  facts[prefix + ".variants"] = listed(variants);
  facts[prefix + ".reference"] = listed(reference);
  facts[prefix + ".count"] = models.empty() ? "" : count_text(models, unit);
  facts[prefix + ".rounds"] = rounds_text(models, test);
  facts[prefix + ".threads"] = threads_text(models, test);
  facts[prefix + ".calibration"] = calibration > 0 ? grouped(static_cast<std::int64_t>(calibration)) : "";
  facts[prefix + ".dequantized"] = dequantized ? "yes" : "";
}

}  // namespace

std::map<std::string, std::string> make_facts(const Study& study) {
  std::map<std::string, std::string> facts;
  add_models(facts, "detectors", study.detectors, "object detector", "pictures", "inference");
  add_models(facts, "llms", study.llms, "language model", "passages", "generate");
  facts["detectors.data"] = data_name(study.detectors, "COCO val2017", "val2017");
  facts["llms.data"] = data_name(study.llms, "LAMBADA", "lambada");
  std::string families = facts["detectors"];
  if (!study.llms.empty()) families += (families.empty() ? "" : " and ") + facts["llms"];
  facts["families"] = families;
  const Json& environment = study.environments.front();
  facts["machine.cpu"] = text_at(environment, "cpu_model");
  if (facts["machine.cpu"].empty()) facts["machine.cpu"] = "a processor whose name is not known";
  const auto cpus = number_at(environment, "usable_cpus");
  facts["machine.cpus"] =
      cpus ? in_words(static_cast<std::size_t>(*cpus)) + " logical processor" + (*cpus == 1 ? "" : "s") : "";
  const auto memory = number_at(environment, "memory_total_bytes");
  facts["machine.memory"] = memory ? significant(*memory / 1e9) + " GB" : "";
  std::string with = facts["machine.cpus"].empty() ? "" : " with " + facts["machine.cpus"];
  if (memory) with += (with.empty() ? " with " : " and ") + facts["machine.memory"] + " of memory";
  facts["machine.with"] = with;
  facts["machine.isa"] = text_at(environment, "isa");
  facts["program.version"] = text_at(environment, "version");
  facts["date"] = study.date;
  facts["failures"] = study.failures.empty() ? "" : std::to_string(study.failures.size());
  facts["study.file"] = study.file;
  facts["energy"] = "";
  std::string gptq, best, trained;
  for (const auto* models : {&study.detectors, &study.llms}) {
    for (const Model& model : *models) {
      for (const Variant& variant : model.variants) {
        if (variant.joules) facts["energy"] = "yes";
        if (variant.method.find("gptq") != std::string::npos ||
            variant.method.find("GPTQ") != std::string::npos)
          gptq = "yes";
        if (variant.method.starts_with("best")) best = "yes";
        if (variant.method == "best, effort 2" || variant.method == "best, effort 3") trained = "yes";
      }
    }
  }
  facts["gptq"] = gptq;
  facts["best"] = best;
  facts["trained"] = trained;
  std::string commands;
  for (const std::string& command : study.commands) commands += (commands.empty() ? "" : "\n") + command;
  facts["commands"] = commands;
  return facts;
}

}  // namespace assay::report
