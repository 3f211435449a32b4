#include "flow/study/study_yaml.h"

#include <algorithm>
#include <set>
#include <utility>

#include "flow/convert_detector.h"
#include "flow/study/yaml_reader.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kDetectorVariants{"original", "float32",      "float16",
                                                 "int8",     "int8-dynamic", "int8-weight-only"};
const std::vector<std::string> kLlmVariants{"float", "int8", "int4", "int3", "int2"};
const std::vector<std::string> kSections{"introduction", "background", "experiments", "results",
                                         "conclusions"};

// The part of a path or name that a report would call the model.
std::string short_name(const std::string& model) {
  const fs::path path(model);
  const bool is_file = path.extension() == ".tflite" || path.extension() == ".gguf";
  return (is_file ? path.stem() : path.filename()).string();  // a dot may be part of the name: Qwen2.5-0.5B
}

// A path that exists relative to the file; a name of `assay models` stays as it is.
std::string model_of(const std::string& given, const fs::path& folder) {
  const bool is_path = given.find('/') != std::string::npos && !given.starts_with("hf:");
  return is_path || given.ends_with(".tflite") || given.ends_with(".gguf") ? (folder / given).string()
                                                                           : given;
}

void read_model(YamlReader& reader, const char* example, const fs::path& folder, std::string& model,
                std::string& name) {
  reader.require("model", example);
  reader.text("model", example, model);
  name = short_name(model);
  reader.text("name", "YOLOX-Nano", name);
  model = model_of(model, folder);
}

void read_detector(YamlReader& reader, const fs::path& folder, DetectorSpec& spec) {
  read_model(reader, "yolox_nano.tflite", folder, spec.model, spec.name);
  reader.choices("quantizations", kDetectorVariants, spec.variants);
  reader.text("size", "800x1066", spec.size);
  if (const auto input = parse_detector_input(spec.size); !input) reader.problem(input.error().message);
  reader.text("head", "yolox", spec.head);
  reader.text("classes", "coco80", spec.classes);
  reader.paths("draw", "val2017/000000000785.jpg", folder, spec.pictures);
  reader.require("data", "{images: val2017, annotations: instances_val2017.json}");
  YamlReader data = reader.map("data");
  data.text("set", "faces", spec.data_set);
  if (reader.has("data") && spec.data_set.empty()) {
    data.require("images", "val2017");
    data.require("annotations", "instances_val2017.json");
  }
  data.path("images", "val2017", folder, spec.images);
  data.path("annotations", "instances_val2017.json", folder, spec.annotations);
  data.integer("limit", 1, "100", spec.limit);
  data.finish();
  YamlReader calibration = reader.map("calibration");
  calibration.text("set", "faces", spec.calibration_set);
  calibration.path("images", "train2017", folder, spec.calibration);
  calibration.integer("samples", 1, "64", spec.calibration_samples);
  calibration.finish();
  const bool calibrates =
      std::find(spec.variants.begin(), spec.variants.end(), "int8") != spec.variants.end();
  if (calibrates && spec.calibration.empty() && spec.calibration_set.empty() && reader.has("model"))
    reader.problem(
        "static int8 needs pictures to calibrate on, for example \"calibration: {images: train2017}\"");
  reader.finish();
}

void read_llm(YamlReader& reader, const fs::path& folder, LlmSpec& spec) {
  read_model(reader, "smollm2-135m", folder, spec.model, spec.name);
  reader.choices("quantizations", kLlmVariants, spec.variants);
  reader.choice("method", {"best", "gptq", "rtn"}, spec.method);
  reader.integer("effort", 0, "2", spec.effort);
  if (spec.effort.value_or(0) > 3) reader.problem("effort: 0 to 3, for example \"effort: 2\"");
  if (reader.has("effort") && spec.method != "best")
    reader.problem("effort belongs to the method best; write \"method: best\" beside it");
  reader.integer("group_size", 1, "64", spec.group_size);
  reader.boolean("symmetric", spec.symmetric);
  YamlReader data = reader.map("data");
  data.text("set", "lambada", spec.data_set);
  data.path("file", "lambada_test.jsonl", folder, spec.data);
  if (data.has("set") && data.has("file"))
    data.problem("data: set and file stand for the same; keep one of them, for example \"set: lambada\"");
  data.integer("limit", 1, "1000", spec.limit);
  data.finish();
  YamlReader calibration = reader.map("calibration");
  calibration.path("file", "calibration.txt", folder, spec.calibration);
  calibration.integer("samples", 1, "128", spec.calibration_samples);
  calibration.integer("sequence_length", 1, "512", spec.sequence_length);
  calibration.finish();
  reader.finish();
}

void read_measure(YamlReader reader, MeasureSpec& measure) {
  reader.integer("repetitions", 1, "5", measure.repetitions);
  reader.integers("threads", 1, "[1, 2]", measure.threads);
  reader.choice("pin", {"auto", "off"}, measure.pin);
  reader.integer("prompt_tokens", 1, "512", measure.prompt_tokens);
  reader.integer("generated_tokens", 1, "64", measure.generated_tokens);
  reader.integer("resamples", 2, "1000", measure.resamples);
  reader.finish();
}

void read_climate(YamlReader reader, ClimateSpec& climate) {
  reader.real("watts_per_core", "8", climate.watts_per_core);
  reader.text("country", "DEU", climate.country);
  reader.real("gco2e_per_kwh", "381", climate.gco2e_per_kwh);
  reader.integer("requests_per_day", 1, "1000000", climate.requests_per_day);
  reader.finish();
}

void read_study(const YAML::Node& node, const fs::path& folder, StudySpec& spec,
                std::vector<StudyProblem>& problems) {
  YamlReader root(node, "", problems);
  root.text("title", "What int8 costs", spec.title);
  root.text("author", "A. Student", spec.author);
  root.texts("texts", kSections, spec.texts);
  read_measure(root.map("measure"), spec.measure);
  read_climate(root.map("climate"), spec.climate);
  std::set<std::string> names;
  const auto check_name = [&](YamlReader& reader, const std::string& name) {
    if (!name.empty() && !names.insert(name).second)
      reader.problem("the name " + name +
                     " stands twice; give one of them a name of its own, as \"name: " + name + "-2\"");
  };
  for (YamlReader& reader : root.list("detectors")) {
    read_detector(reader, folder, spec.detectors.emplace_back());
    check_name(reader, spec.detectors.back().name);
  }
  for (YamlReader& reader : root.list("llms")) {
    read_llm(reader, folder, spec.llms.emplace_back());
    check_name(reader, spec.llms.back().name);
  }
  if (spec.detectors.empty() && spec.llms.empty() && problems.empty())
    root.problem(
        "names no models; expected \"detectors:\" or \"llms:\" with a list, for example \"- model: "
        "smollm2-135m\"");
  root.finish();
}

}  // namespace

ParsedStudy parse_study(std::string_view yaml, const fs::path& folder) {
  ParsedStudy parsed;
  parsed.spec.file = yaml;
  try {
    read_study(YAML::Load(std::string(yaml)), folder, parsed.spec, parsed.problems);
  } catch (const YAML::Exception& error) {
    const bool placed = !error.mark.is_null();
    parsed.problems.push_back(
        {placed ? error.mark.line + 1 : 0, placed ? error.mark.column + 1 : 0, "is no YAML: " + error.msg});
  }
  std::stable_sort(parsed.problems.begin(), parsed.problems.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return parsed;
}

std::string problems_text(const std::string& file, const std::vector<StudyProblem>& problems) {
  std::string text;
  for (const auto& problem : problems) {
    text += text.empty() ? "" : "\n";
    text +=
        file +
        (problem.line > 0 ? ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column) : "") +
        ": " + problem.message;
  }
  return text;
}

}  // namespace assay
