#include "report/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::report {
namespace {

using testing::HasSubstr;
using testing::Not;

Variant variant(const std::string& name, double bytes, double accuracy, std::optional<Comparison> paired) {
  Variant made;
  made.name = name;
  made.bytes = bytes;
  made.quality = Quality{{accuracy, std::nullopt}, 1000, {}, paired, std::nullopt};
  return made;
}

Variant reference(double bytes, double accuracy) {
  Variant made = variant("float", bytes, accuracy, std::nullopt);
  made.is_reference = true;
  return made;
}

Study study_of(std::vector<Variant> variants, store::Task task = store::Task::kLlm) {
  Study study;
  study.environments.push_back(Json::object());
  (task == store::Task::kLlm ? study.llms : study.detectors)
      .push_back({task, "M*del", "", "", "", std::move(variants)});
  return study;
}

Finding finding(const std::vector<Finding>& all, const std::string& id) {
  for (const Finding& one : all)
    if (one.id == id) return one;
  ADD_FAILURE() << "no finding " << id;
  return {"", "", "", "", {""}};
}

Speed speed(double ratio, std::optional<Interval> interval) {
  Speed made;
  made.test = "generate";
  made.threads = 1;
  made.rounds = 5;
  made.value = {10 * ratio, std::nullopt};
  made.speedup = Estimate{ratio, interval};
  return made;
}

TEST(Findings, SayLowerOnlyWhereThePairedIntervalExcludesZero) {
  const Study study = study_of({reference(100, 0.3),
                                variant("int8", 50, 0.295, Comparison{-0.005, Interval{-0.012, 0.002}, 0.2}),
                                variant("int4", 30, 0.2, Comparison{-0.1, Interval{-0.12, -0.08}, 1e-9})});
  const auto findings = llm_findings(study);
  EXPECT_THAT(finding(findings, "int8").headline, HasSubstr("shows no loss of accuracy"));
  EXPECT_THAT(finding(findings, "int8").sentences[0], HasSubstr("not distinguishable from float's"));
  EXPECT_THAT(finding(findings, "int4").headline, HasSubstr("costs accuracy"));
  EXPECT_THAT(finding(findings, "int4").sentences[0], HasSubstr("lower than float's by 10.00 points"));
  EXPECT_THAT(finding(findings, "int4").sentences[0], HasSubstr("95 % interval −12.00 to −8.00"));
}

TEST(Findings, SayNothingOfAccuracyWithoutAPairedComparison) {
  const auto findings = llm_findings(study_of({reference(100, 0.3), variant("int8", 50, 0.1, std::nullopt)}));
  EXPECT_THAT(finding(findings, "int8").headline, Not(HasSubstr("cost")));
  EXPECT_THAT(finding(findings, "int8").sentences[0], HasSubstr("not compared in pairs"));
}

TEST(Findings, DoNotCreditSpeedToWhatNoLongerWorks) {
  Study study = study_of(
      {reference(100, 0.3), variant("int2", 50, 0.0, Comparison{-0.3, Interval{-0.32, -0.28}, 1e-9})});
  study.llms[0].variants[1].speeds.push_back(speed(1.2, Interval{1.1, 1.3}));
  EXPECT_THAT(finding(llm_findings(study), "speed").headline,
              HasSubstr("No quantization that still works made generation measurably faster"));
}

TEST(Findings, SayFasterOnlyWhereTheIntervalOfTheRatioExcludesOne) {
  const auto with = [&](std::optional<Interval> interval) {
    Study study =
        study_of({reference(100, 0.3), variant("int8", 50, 0.3, Comparison{0, Interval{-0.01, 0.01}, 1})});
    study.llms[0].variants[1].speeds.push_back(speed(1.2, interval));
    return llm_findings(study);
  };
  EXPECT_THAT(finding(with(Interval{1.1, 1.3}), "speed").headline,
              HasSubstr("int8 makes generation 1.20 times as fast"));
  EXPECT_THAT(finding(with(Interval{0.9, 1.5}), "speed").headline,
              HasSubstr("No quantization made generation measurably faster"));
  EXPECT_THAT(finding(with(Interval{0.9, 1.5}), "int8").sentences[0], HasSubstr("not distinguishable"));
  EXPECT_THAT(finding(with(std::nullopt), "int8").sentences[0], HasSubstr("allows no conclusion"));
}

TEST(Findings, CallBrokenOnlyWhatSurelyKeepsLessThanHalf) {
  const auto with = [&](double difference, Interval interval) {
    return llm_findings(study_of({reference(100, 0.3), variant("int2", 20, 0.3 + difference,
                                                               Comparison{difference, interval, 1e-9})}));
  };
  EXPECT_THAT(finding(with(-0.29, {-0.31, -0.27}), "breakdown").headline, HasSubstr("breaks down at int2"));
  EXPECT_THAT(finding(with(-0.16, {-0.18, -0.14}), "breakdown").headline, HasSubstr("No quantization broke"));
}

TEST(Findings, DoNotPraiseTheSpeedOfWhatIsBroken) {
  Study study = study_of(
      {reference(100, 0.3), variant("int2", 20, 0.0, Comparison{-0.3, Interval{-0.32, -0.28}, 1e-9})});
  study.llms[0].variants[1].speeds.push_back(speed(3, Interval{2.9, 3.1}));
  EXPECT_THAT(finding(llm_findings(study), "speed").headline, Not(HasSubstr("int2")));
}

TEST(Findings, ChooseTheSmallestThatIsNotShownToBeWorse) {
  const Study study =
      study_of({reference(100, 0.3), variant("int8", 50, 0.3, Comparison{0.0, Interval{-0.01, 0.01}, 1}),
                variant("int4", 30, 0.2, Comparison{-0.1, Interval{-0.12, -0.08}, 1e-9})});
  const Finding best = finding(llm_findings(study), "tradeoff");
  EXPECT_THAT(best.headline, HasSubstr("int8 is the smallest form"));
  EXPECT_THAT(best.sentences[0], HasSubstr("a loss of up to 1.00 points"));
}

TEST(Findings, DoNotRecommendWhatIsLargerThanTheReference) {
  const auto findings = llm_findings(
      study_of({reference(100, 0.3), variant("int8", 150, 0.3, Comparison{0.0, Interval{-0.01, 0.01}, 1})}));
  for (const Finding& one : findings) EXPECT_NE(one.id, "tradeoff");
}

TEST(Limits, CountTheComparisons) {
  std::vector<Variant> variants{reference(100, 0.3)};
  for (int i = 0; i < 6; ++i)
    variants.push_back(variant("v" + std::to_string(i), 50, 0.3, Comparison{0, Interval{-0.01, 0.01}, 1}));
  EXPECT_THAT(limits(study_of(variants)), testing::Contains(HasSubstr("6 comparisons with a reference")));
}

TEST(Limits, TellWhatTheRangeOfFewRoundsIsWorth) {
  Study study = study_of({reference(100, 0.3)});
  study.llms[0].variants[0].speeds.push_back(speed(1, std::nullopt));
  study.llms[0].variants[0].speeds[0].rounds = 3;
  EXPECT_THAT(limits(study), testing::Contains(HasSubstr("in 75 % of cases")));
}

TEST(Limits, TellOfADequantizedReference) {
  Study study = study_of({reference(100, 0.3)});
  study.llms[0].variants[0].dequantized = true;
  EXPECT_THAT(limits(study), testing::Contains(HasSubstr("had been quantized")));
}

}  // namespace
}  // namespace assay::report
