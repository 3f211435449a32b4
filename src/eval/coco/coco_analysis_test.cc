// Bootstrap, error analysis, explanation, and evaluation of detections in memory.
#include <string>

#include "base/rng.h"
#include "eval/coco/bootstrap.h"
#include "eval/coco/error_analysis.h"
#include "eval/coco/explain.h"
#include "support/testing.h"

namespace assay::eval::coco {
namespace {

// `images` images with a box of one of two categories each.
Annotations simple_truth(int images) {
  Annotations truth;
  truth.categories = {{1, "cat"}, {2, "dog"}};
  for (int i = 0; i < images; ++i) {
    truth.images.push_back(i);
    truth.boxes.push_back({i, i % 2, 10, 10, 100, 100, 10000});
  }
  return truth;
}

Detection exact(const TruthBox& box, double score = 0.9) {
  return {box.image, box.category, box.x, box.y, box.width, box.height, score};
}

Detections all_found(const Annotations& truth) {
  Detections detections;
  for (const TruthBox& box : truth.boxes) detections.boxes.push_back(exact(box));
  return detections;
}

// Found with probability `share`, beside false positives.
Detections partly_found(const Annotations& truth, std::uint64_t seed, double share) {
  Rng rng(seed);
  Detections detections;
  for (const TruthBox& box : truth.boxes) {
    if (rng.uniform() < share) detections.boxes.push_back(exact(box, rng.uniform()));
    if (rng.uniform() < 0.3)
      detections.boxes.push_back({box.image, box.category, 300, 300, 20, 20, rng.uniform()});
  }
  return detections;
}

std::int64_t count(const ErrorAnalysis& analysis, MistakeKind kind) {
  return analysis.kinds[static_cast<std::size_t>(kind)].count;
}

ErrorAnalysis errors_of(const Annotations& truth, const Detections& detections) {
  return analyse_errors(truth, detections, {}).value();
}

TEST(CocoEvaluate, DetectionsThatEqualTheTruthHaveAveragePrecisionOne) {
  const Annotations truth = simple_truth(10);
  ThreadPool pool(2);
  const auto record = evaluate(truth, all_found(truth), {}, pool);
  ASSERT_THAT(record, IsOk());
  EXPECT_NEAR(record->ap, 1, 1e-15);
  EXPECT_EQ(record->images, 10);
}

TEST(CocoEvaluate, PrecisionIsAtTheLargestLimitWhateverTheLimits) {
  const Annotations truth = simple_truth(10);
  ThreadPool pool(1);
  EvaluationOptions options;
  options.max_detections = {300, 7};
  const auto record = evaluate(truth, all_found(truth), options, pool);
  ASSERT_THAT(record, IsOk());
  EXPECT_NEAR(record->ap, 1, 1e-15);
  ASSERT_EQ(record->recalls.size(), 2u);
  EXPECT_EQ(record->recalls[0].max_detections, 7);
}

TEST(CocoEvaluate, ABoxInACategoryThatDoesNotExistIsAnError) {
  const Annotations truth = simple_truth(1);
  ThreadPool pool(1);
  EXPECT_THAT(evaluate(truth, {{{0, 2, 0, 0, 1, 1, 1}}, {}}, {}, pool),
              FailsWith(ErrorCode::kInvalidArgument, "detection 0"));
}

TEST(CocoBootstrap, TheIntervalIsTheSameWhateverTheThreads) {
  constexpr std::uint64_t kSeed = 3;
  const Annotations truth = simple_truth(60);
  const Detections detections = partly_found(truth, kSeed, 0.6);
  ThreadPool one(1), three(3);
  const auto a = bootstrap(truth, detections, {}, {200, kSeed, 0.95}, one);
  const auto b = bootstrap(truth, detections, {}, {200, kSeed, 0.95}, three);
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(a->ap.low, b->ap.low) << "seed " << kSeed;
  EXPECT_EQ(a->ap.high, b->ap.high) << "seed " << kSeed;
  EXPECT_LT(a->ap.low, a->ap.high) << "seed " << kSeed;
}

TEST(CocoBootstrap, TheIntervalHoldsTheFigure) {
  constexpr std::uint64_t kSeed = 4;
  const Annotations truth = simple_truth(80);
  const Detections detections = partly_found(truth, kSeed, 0.6);
  ThreadPool pool(2);
  const double ap = evaluate(truth, detections, {}, pool)->ap;
  const auto record = bootstrap(truth, detections, {}, {300, kSeed, 0.99}, pool);
  ASSERT_THAT(record, IsOk());
  EXPECT_LE(record->ap.low, ap) << "seed " << kSeed;
  EXPECT_GE(record->ap.high, ap) << "seed " << kSeed;
}

TEST(CocoBootstrap, AResultDoesNotDifferFromItself) {
  constexpr std::uint64_t kSeed = 5;
  const Annotations truth = simple_truth(40);
  const Detections detections = partly_found(truth, kSeed, 0.5);
  ThreadPool pool(2);
  const auto paired = bootstrap_paired(truth, detections, detections, {}, {100, kSeed, 0.95}, pool);
  ASSERT_THAT(paired, IsOk());
  EXPECT_EQ(paired->ap.difference, 0);
  EXPECT_EQ(paired->ap.p_value, 1);
  EXPECT_EQ(paired->ap.interval.high, 0);
}

TEST(CocoBootstrap, AMuchBetterResultIsBetterInEveryResample) {
  constexpr std::uint64_t kSeed = 6;
  const Annotations truth = simple_truth(80);
  ThreadPool pool(2);
  const auto paired = bootstrap_paired(truth, partly_found(truth, kSeed, 0.2), all_found(truth), {},
                                       {200, kSeed, 0.95}, pool);
  ASSERT_THAT(paired, IsOk());
  EXPECT_GT(paired->ap.interval.low, 0) << "seed " << kSeed;
  EXPECT_EQ(paired->ap.p_value, 2.0 / 200) << "seed " << kSeed;
}

TEST(CocoErrors, EachKindOfMistakeIsToldFromTheOthers) {
  const Annotations truth = simple_truth(6);
  Detections detections;
  const auto& boxes = truth.boxes;
  detections.boxes.push_back(exact(boxes[0]));
  detections.boxes.push_back(exact(boxes[0], 0.5));           // duplicate
  detections.boxes.push_back({1, 0, 10, 10, 100, 100, 0.9});  // class
  detections.boxes.push_back({2, 0, 10, 10, 100, 30, 0.9});   // localization
  detections.boxes.push_back({3, 0, 10, 10, 100, 30, 0.9});   // both
  detections.boxes.push_back({4, 0, 500, 500, 10, 10, 0.9});  // background
  const ErrorAnalysis analysis = errors_of(truth, detections);
  for (const MistakeKind kind : {MistakeKind::kDuplicate, MistakeKind::kClass, MistakeKind::kLocalization,
                                 MistakeKind::kBoth, MistakeKind::kBackground}) {
    EXPECT_EQ(count(analysis, kind), 1) << kMistakeNames[static_cast<std::size_t>(kind)];
  }
  EXPECT_EQ(count(analysis, MistakeKind::kMissed), 3);
}

TEST(CocoErrors, PuttingTheOnlyKindOfMistakeRightGivesAveragePrecisionOne) {
  const Annotations truth = simple_truth(8);
  Detections detections;
  for (const TruthBox& box : truth.boxes) {
    detections.boxes.push_back(exact(box));
    detections.boxes.back().category = 1 - box.category;
  }
  const ErrorAnalysis analysis = errors_of(truth, detections);
  EXPECT_EQ(count(analysis, MistakeKind::kClass), 8);
  EXPECT_NEAR(analysis.ap + analysis.kinds[static_cast<std::size_t>(MistakeKind::kClass)].cost, 1, 1e-15);
}

TEST(CocoErrors, ARepairThatLeavesNeitherTruthNorDetectionsCostsNothing) {
  const ErrorAnalysis analysis = errors_of(simple_truth(3), {});
  EXPECT_EQ(analysis.ap, 0);
  EXPECT_EQ(count(analysis, MistakeKind::kMissed), 3);
  EXPECT_EQ(analysis.kinds[static_cast<std::size_t>(MistakeKind::kMissed)].cost, 0);
  EXPECT_EQ(analysis.false_negatives.cost, 0);
}

TEST(CocoExplain, NamesTheTruthThatOneResultAloneFound) {
  const Annotations truth = simple_truth(4);
  const Detections first = all_found(truth);
  Detections second = first;
  second.boxes[2].width = 40;
  const auto explanation = explain(truth, first, second, 0.5, 100);
  ASSERT_THAT(explanation, IsOk());
  EXPECT_EQ(explanation->same_images, 3);
  ASSERT_EQ(explanation->images.size(), 1u);
  const ImageDifference& image = explanation->images[0];
  EXPECT_EQ(image.image, 2);
  EXPECT_EQ(image.false_second, 1);
  ASSERT_EQ(image.only_first.size(), 1u);
  EXPECT_EQ(image.only_first[0].truth, 2u);
  EXPECT_DOUBLE_EQ(image.only_first[0].best_overlap, 0.4);
}

}  // namespace
}  // namespace assay::eval::coco
