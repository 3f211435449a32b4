#include "flow/study/study_yaml.h"

#include "support/testing.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kWhole = R"(title: Mine
author: Me
texts:
  introduction: Hello.
measure: {repetitions: 3, threads: [1, 2]}
climate: {watts_per_core: 8.5, country: DEU, requests_per_day: 1000}
detectors:
  - model: models/yolox.tflite
    name: YOLOX
    data: {images: val, annotations: a.json, limit: 10}
    calibration: {images: train, samples: 8}
    quantizations: [float32, int8]
llms:
  - model: smollm2-135m
    quantizations: [float, int4]
    group_size: 32
    data: {file: /data/lambada.jsonl, limit: 100}
)";

std::vector<std::string> messages(const char* yaml) {
  std::vector<std::string> lines;
  for (const auto& problem : parse_study(yaml, "/s").problems) lines.push_back(problems_text("f", {problem}));
  return lines;
}

TEST(ParseStudy, ReadsEveryKey) {
  const ParsedStudy parsed = parse_study(kWhole, "/studies");
  ASSERT_THAT(parsed.problems, testing::IsEmpty()) << problems_text("f", parsed.problems);
  const StudySpec& spec = parsed.spec;
  EXPECT_EQ(spec.title, "Mine");
  EXPECT_EQ(spec.texts.at("introduction"), "Hello.");
  EXPECT_EQ(spec.measure.repetitions, 3);
  EXPECT_THAT(spec.measure.threads, ElementsAre(1, 2));
  EXPECT_EQ(spec.climate.watts_per_core, 8.5);
  EXPECT_EQ(spec.climate.country, "DEU");
  EXPECT_EQ(spec.climate.requests_per_day, 1000);
  ASSERT_EQ(spec.detectors.size(), 1u);
  EXPECT_EQ(spec.detectors[0].model, "/studies/models/yolox.tflite");
  EXPECT_EQ(spec.detectors[0].name, "YOLOX");
  EXPECT_EQ(spec.detectors[0].images, "/studies/val");
  EXPECT_EQ(spec.detectors[0].limit, 10);
  EXPECT_EQ(spec.detectors[0].calibration_samples, 8);
  EXPECT_THAT(spec.detectors[0].variants, ElementsAre("float32", "int8"));
  ASSERT_EQ(spec.llms.size(), 1u);
  EXPECT_EQ(spec.llms[0].model, "smollm2-135m");
  EXPECT_EQ(spec.llms[0].name, "smollm2-135m");
  EXPECT_EQ(spec.llms[0].data, "/data/lambada.jsonl");
  EXPECT_EQ(spec.llms[0].group_size, 32);
}

TEST(ParseStudy, ReadsTheMethodBestWithItsEffort) {
  const ParsedStudy parsed = parse_study(
      "llms:\n  - model: smollm2-135m\n    method: best\n    effort: 2\n    calibration: {samples: 400}\n", "/s");
  ASSERT_THAT(parsed.problems, testing::IsEmpty()) << problems_text("f", parsed.problems);
  EXPECT_EQ(parsed.spec.llms[0].method, "best");
  EXPECT_EQ(parsed.spec.llms[0].effort, 2);
  EXPECT_EQ(parsed.spec.llms[0].calibration_samples, 400);
  EXPECT_FALSE(parsed.spec.llms[0].sequence_length);
}

TEST(ParseStudy, RefusesAnEffortThatNobodyMakes) {
  EXPECT_THAT(messages("llms:\n  - model: m\n    effort: 2\n"), ElementsAre(HasSubstr("belongs to the method best")));
  EXPECT_THAT(messages("llms:\n  - model: m\n    method: best\n    effort: 4\n"), ElementsAre(HasSubstr("0 to 3")));
}

TEST(ParseStudy, TakesDataByName) {
  const ParsedStudy parsed = parse_study("llms:\n  - model: hf:Qwen/Qwen2.5-0.5B\n    data: {set: lambada}\n", "/s");
  ASSERT_THAT(parsed.problems, testing::IsEmpty());
  EXPECT_EQ(parsed.spec.llms[0].data_set, "lambada");
  EXPECT_THAT(messages("llms:\n  - model: m\n    data: {set: lambada, file: a}\n"),
              ElementsAre(HasSubstr("f:3:11: data: set and file stand for the same")));
}

TEST(ParseStudy, KeepsTheDotsOfAName) {
  EXPECT_EQ(parse_study("llms:\n  - model: hf:Qwen/Qwen2.5-0.5B\n", "/s").spec.llms[0].name, "Qwen2.5-0.5B");
  EXPECT_EQ(parse_study("llms:\n  - model: a/b.gguf\n", "/s").spec.llms[0].name, "b");
}

TEST(ParseStudy, TellsEveryMistakeInOneGoWithItsPlace) {
  EXPECT_THAT(
      messages("titel: x\nmeasure: {repetitions: none}\nllms:\n  - model: m\n    quantizations: [int5]\n"),
      ElementsAre(
          "f:1:1: titel: is not a key here, did you mean title?",
          HasSubstr("f:2:24: measure.repetitions: expected a whole number of at least 1, for example"),
          HasSubstr("f:5:21: llms[0].quantizations: expected a list of float, int8")));
}

TEST(ParseStudy, SaysWhichKeyIsMissing) {
  EXPECT_THAT(messages("detectors:\n  - name: x\n    quantizations: [float32]\n"),
              testing::IsSupersetOf(
                  {HasSubstr("detectors[0].model: is missing"), HasSubstr("detectors[0].data: is missing")}));
}

TEST(ParseStudy, AsksForPicturesToCalibrateStaticInt8) {
  EXPECT_THAT(messages("detectors:\n  - model: a.tflite\n    data: {images: i, annotations: a}\n"),
              ElementsAre(HasSubstr("f:2:5: static int8 needs pictures")));
}

TEST(ParseStudy, SaysWhereTheFileIsNoYaml) {
  EXPECT_THAT(messages("title: [unclosed\n"), ElementsAre(HasSubstr("is no YAML: ")));
}

TEST(ParseStudy, RefusesAFileWithoutModels) {
  EXPECT_THAT(messages("title: x\n"), ElementsAre(HasSubstr("names no models")));
  EXPECT_THAT(messages(""), ElementsAre(HasSubstr("names no models")));
  EXPECT_THAT(messages("just text"), testing::Not(testing::IsEmpty()));
}

TEST(ParseStudy, RefusesANameThatStandsTwice) {
  EXPECT_THAT(messages("llms:\n  - model: m\n  - model: m\n"),
              ElementsAre(HasSubstr("f:3:5: the name m stands twice")));
}

TEST(ParseStudy, SurvivesNodesOfTheWrongKind) {
  for (const char* yaml :
       {"llms: 3", "llms: [3]", "llms: [[]]", "detectors: {a: b}", "texts: [x]", "measure: x",
        "? {a: b}\n: c", "climate: {watts_per_core: -1}", "climate: {watts_per_core: nan}",
        "llms:\n  - model: [x]", "- a", "measure: {threads: 1}"}) {
    EXPECT_THAT(messages(yaml), testing::Not(testing::IsEmpty())) << yaml;
  }
}

}  // namespace
}  // namespace assay
