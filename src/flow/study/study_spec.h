// What a study is about: which models, quantizations and measurements. docs/studies.md explains every key.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct DetectorSpec {
  std::string name;                       // in the report; unique among all models
  std::string model;                      // a .tflite file, a checkpoint's folder, or a name that `assay models` lists
  std::string size = "4:3";               // of a checkpoint: as parse_detector_input takes it
  std::string head, classes;              // as DetectorOptions; empty: told from the model
  std::string data_set, calibration_set;  // by the name that `assay models` lists, instead of paths
  std::filesystem::path images, annotations;
  std::int64_t limit = 0;             // the first so many pictures; 0: all
  std::filesystem::path calibration;  // a folder of pictures; empty: nothing is calibrated
  std::int64_t calibration_samples = 64;
  std::vector<std::string> variants{"float32", "float16", "int8"};  // the first is the reference
  std::vector<std::filesystem::path> pictures;  // drawn with what each variant finds; empty: one is chosen
};

struct LlmSpec {
  std::string name, model;
  std::string data_set;        // by the name that `assay models` lists, instead of a path
  std::filesystem::path data;  // as `assay eval lambada --data`; empty: the built-in cloze set
  std::int64_t limit = 0;
  // As `assay quantize --calibration`; empty: the built-in text, or for training text that the model writes.
  std::filesystem::path calibration;
  std::optional<std::int64_t> calibration_samples, sequence_length;  // nothing: as `assay quantize`
  std::vector<std::string> variants{"float", "int8", "int4", "int2"};
  std::string method = "gptq";
  std::optional<int> effort;  // of the method best; nothing: as `assay quantize`
  int group_size = 64;
  bool symmetric = false;
};

struct MeasureSpec {
  int repetitions = 5;       // rounds of timings, in each of which every variant has its turn
  std::vector<int> threads;  // of timings, each >= 1; empty: all of the machine
  // "auto": each thread of a timing on a core of its own where that is possible; "off": wherever it runs.
  std::string pin = "auto";
  std::int64_t prompt_tokens = 512, generated_tokens = 64;
  int resamples = 1000;  // of bootstrap intervals
};

// For what a deployment costs the climate. Nothing is estimated unless the user gives a power model.
struct ClimateSpec {
  std::optional<double> watts_per_core;  // of a busy core, where the machine does not count its energy
  std::string country;  // three letters, as models/grid/carbon_intensity.csv has them; empty: none
  std::optional<double> gco2e_per_kwh;  // instead of the country's
  std::int64_t requests_per_day = 0;    // 0: nothing is extrapolated
};

struct StudySpec {
  std::string title = "What does quantization cost, and what does it buy?";
  std::string author;
  std::map<std::string, std::string> texts;  // by section: what the user wrote instead of the report's words
  std::vector<DetectorSpec> detectors;
  std::vector<LlmSpec> llms;
  MeasureSpec measure;
  ClimateSpec climate;
  std::string file;  // the text it was read from
};

}  // namespace assay
