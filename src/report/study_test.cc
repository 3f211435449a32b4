#include "report/study.h"

#include <gtest/gtest.h>

#include "report/synthetic_testing.h"
#include "support/testing.h"

namespace assay::report {
namespace {

class ReadStudy : public testing::Test {
 protected:
  Result<Study> read() {
    auto store = store::Store::open_to_read(folder_.path());
    if (!store) return store.error();
    return read_study(*store);
  }

  // The rows as given, in the plan.
  void write(const std::vector<store::Measurement>& rows, const Json& description = Json::object()) {
    auto store = store::Store::open(folder_.path());
    ASSERT_TRUE(store) << store.error().message;
    std::vector<std::string> keys;
    for (const auto& row : rows) {
      const Status added = store->add(row);
      ASSERT_TRUE(added) << added.error().message;
      keys.push_back(row.subject.key());
    }
    ASSERT_TRUE(store->set_plan(keys, description));
  }

  TempDir folder_;
};

store::Measurement row(const std::string& variant, const std::string& kind, int round, Json figures) {
  store::Measurement made;
  made.subject = {store::Task::kDetector, "synthetic", variant, kind, round, Json::object()};
  made.figures = std::move(figures);
  made.started = made.finished = "2026-01-31T12:00:00Z";
  return made;
}

store::Measurement round_of(const std::string& variant, int number, double seconds, bool noisy = false) {
  return row(variant, "latency", number,
             {{"threads", 1}, {"median_seconds", seconds}, {"seconds", {seconds}}, {"noisy", noisy}});
}

TEST_F(ReadStudy, PutsTheRowsOfAVariantTogetherInTheOrderOfThePlan) {
  ASSERT_TRUE(write_synthetic_study(folder_.path(), {}));
  const auto study = read();
  ASSERT_TRUE(study) << study.error().message;
  ASSERT_EQ(study->detectors.size(), 2u);
  ASSERT_EQ(study->llms.size(), 2u);
  const Model& model = study->detectors.front();
  ASSERT_EQ(model.variants.size(), 4u);
  EXPECT_TRUE(model.variants[0].is_reference);
  EXPECT_FALSE(model.variants[1].is_reference);
  EXPECT_EQ(model.variants[2].name, "int8");
  EXPECT_EQ(model.licence, "none");
  EXPECT_EQ(model.variants[2].quality->count, 100);
  ASSERT_NE(model.variants[2].speed("inference"), nullptr);
  EXPECT_EQ(model.variants[2].speed("inference")->rounds, 5);
  EXPECT_EQ(study->date, "2026-01-31");
}

TEST_F(ReadStudy, LeavesDisturbedRoundsOutWhereThreeQuietOnesRemain) {
  write({round_of("float32", 0, 1), round_of("float32", 1, 9, true), round_of("float32", 2, 1),
         round_of("float32", 3, 1)});
  const auto study = read();
  ASSERT_TRUE(study);
  const Speed& speed = study->detectors[0].variants[0].speeds.at(0);
  EXPECT_EQ(speed.rounds, 3);
  EXPECT_EQ(speed.left_out, 1);
  EXPECT_FALSE(speed.noisy);
  EXPECT_EQ(speed.value.value, 1);
}

TEST_F(ReadStudy, UsesAndMarksDisturbedRoundsWhereTooFewAreQuiet) {
  write({round_of("float32", 0, 1), round_of("float32", 1, 3, true), round_of("float32", 2, 2, true)});
  const auto study = read();
  ASSERT_TRUE(study);
  const Speed& speed = study->detectors[0].variants[0].speeds.at(0);
  EXPECT_EQ(speed.rounds, 3);
  EXPECT_TRUE(speed.noisy);
  EXPECT_EQ(speed.value.value, 2);
}

TEST_F(ReadStudy, ComparesSpeedsWithinRoundsSoThatADriftingMachineDoesNotMatter) {
  std::vector<store::Measurement> rows;
  for (int i = 0; i < 4; ++i) {
    rows.push_back(round_of("float32", i, 2.0 * (i + 1)));
    rows.push_back(round_of("int8", i, 1.0 * (i + 1)));
  }
  write(rows);
  const auto study = read();
  ASSERT_TRUE(study);
  const Speed& speed = *study->detectors[0].variants[1].speed("inference");
  ASSERT_TRUE(speed.speedup && speed.speedup->interval);
  EXPECT_NEAR(speed.speedup->value, 2, 1e-12);
  EXPECT_NEAR(speed.speedup->interval->low, 2, 1e-12);
  EXPECT_NEAR(speed.speedup->interval->high, 2, 1e-12);
}

TEST_F(ReadStudy, LeavesOutWhatIsNull) {
  write({row("float32", "quantize", 0, {{"output_bytes", nullptr}, {"input_bytes", 5}}),
         row("float32", "accuracy", 0,
             {{"AP", 0.3},
              {"AP50", -1},
              {"AP75", nullptr},
              {"images", nullptr},
              {"intervals", {{"AP", {{"low", nullptr}, {"high", 1}}}}}})});
  const auto study = read();
  ASSERT_TRUE(study) << study.error().message;
  const Variant& variant = study->detectors[0].variants[0];
  EXPECT_EQ(variant.bytes, 5);
  EXPECT_FALSE(variant.quality->value.interval);
  EXPECT_EQ(variant.other("AP50"), nullptr);
  EXPECT_EQ(variant.other("AP75"), nullptr);
}

TEST_F(ReadStudy, ListsFailuresWithTheirReason) {
  write({row("float32", "accuracy", 0, {{"error", "out of memory"}})});
  const auto study = read();
  ASSERT_TRUE(study);
  ASSERT_EQ(study->failures.size(), 1u);
  EXPECT_EQ(study->failures[0].error, "out of memory");
  EXPECT_FALSE(study->detectors[0].variants[0].quality);
}

TEST_F(ReadStudy, KeepsTheReferenceThatFailedBeforeAnythingOfItWasMeasured) {
  auto failure = row("float32", "failed", 0, {{"error", "no such file"}});
  failure.subject.settings = {{"of", "quantize"}};
  write({row("int8", "quantize", 0, {{"output_bytes", 5}}), failure},
        {{"detectors", {{{"name", "synthetic"}, {"variants", {"float32", "int8", "float16"}}}}}});
  const auto study = read();
  ASSERT_TRUE(study);
  const Model& model = study->detectors.at(0);
  ASSERT_EQ(model.variants.size(), 3u);
  EXPECT_EQ(model.reference().name, "float32");
  EXPECT_FALSE(model.variants[1].is_reference);
  EXPECT_EQ(study->failures.at(0).kind, "quantize");
}

TEST_F(ReadStudy, NamesTheFieldThatARecordLacks) {
  write({row("float32", "accuracy", 0, {{"images", 10}})});
  const auto study = read();
  ASSERT_FALSE(study);
  EXPECT_NE(study.error().message.find("synthetic, float32, accuracy"), std::string::npos);
  EXPECT_NE(study.error().message.find("'AP'"), std::string::npos);
}

TEST_F(ReadStudy, SaysThatNothingWasMeasured) {
  write({});
  const auto study = read();
  ASSERT_FALSE(study);
  EXPECT_NE(study.error().message.find("nothing has been measured"), std::string::npos);
}

TEST(Verdict, IsADifferenceOnlyWhereNeitherIntervalNorPValueObjects) {
  EXPECT_EQ(verdict({-0.1, Interval{-0.2, -0.01}, 0.01}), Verdict::kLower);
  EXPECT_EQ(verdict({0.1, Interval{0.01, 0.2}, 0.01}), Verdict::kHigher);
  EXPECT_EQ(verdict({-0.1, Interval{-0.2, 0.0}, 0.01}), Verdict::kNotDistinguishable);
  EXPECT_EQ(verdict({-0.1, Interval{-0.2, -0.01}, 0.05}), Verdict::kNotDistinguishable);
  EXPECT_EQ(verdict({-0.1, std::nullopt, 0.2}), Verdict::kNotDistinguishable);
  EXPECT_EQ(verdict({-0.1, std::nullopt, 0.02}), Verdict::kLower);
  EXPECT_EQ(verdict({-0.1, std::nullopt, std::nullopt}), Verdict::kUnknown);
}

}  // namespace
}  // namespace assay::report
