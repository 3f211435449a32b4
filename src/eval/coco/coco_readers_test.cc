#include <string>

#include "base/rng.h"
#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"
#include "support/testing.h"

namespace assay::eval::coco {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kTruth[] = R"({"images": [{"id": 1}, {"id": 2}], "categories": [{"id": 5, "name": "cat"}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0}]})";

Result<AnnotationFile> truth(const std::string& text = kTruth) { return read_annotations(as_bytes(text)); }

Result<DetectionFile> results(const std::string& text, int threads = 1) {
  ThreadPool pool(threads);
  ASSAY_TRY(const AnnotationFile file, truth());
  return read_detections(as_bytes(text), file.annotations, pool);
}

std::string detection(const std::string& changes) {
  return R"({"image_id": 1, "category_id": 5, "bbox": [0, 0, 10, 10], "score": 0.5)" + changes + "}";
}

TEST(CocoReaders, AMissingFieldIsNamedWithItsRecord) {
  EXPECT_THAT(results("[" + detection("") + R"(, {"image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4]}])"),
              FailsWith(ErrorCode::kCorrupt, "detection 2: 'score' is missing"));
  EXPECT_THAT(truth(R"({"images": [{"id": 1}], "categories": [{"id": 5}],
      "annotations": [{"id": 7, "image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1], "iscrowd": 0}]})"),
              FailsWith(ErrorCode::kCorrupt, "annotation 1 (id 7): 'area' is missing"));
}

TEST(CocoReaders, AMessageShowsBytesThatDoNotPrintAsNumbers) {
  EXPECT_THAT(results("\xff\xd8 [1]"), FailsWith(ErrorCode::kCorrupt, "starts with \\xff; expected"));
  EXPECT_THAT(results("[" + detection(", \"score\": \"\u00e9\"") + "]"),
              FailsWith(ErrorCode::kCorrupt, "'score' is \"\u00e9\""));
}

TEST(CocoReaders, AScoreThatIsNoNumberIsAnError) {
  for (const char* score : {"null", "\"0.5\"", "[1]", "nan", "01", "1.", "+1", "Infinit"}) {
    EXPECT_THAT(results("[" + detection(std::string(", \"score\": ") + score) + "]"),
                FailsWith(ErrorCode::kCorrupt, "detection 1: 'score' is"))
        << score;
  }
}

TEST(CocoReaders, ADetectionOnAnUnknownImageIsAnError) {
  EXPECT_THAT(results("[" + detection(", \"image_id\": 3") + "]"),
              FailsWith(ErrorCode::kInvalidArgument, "detection 1: 'image_id' 3 is not among the images"));
}

TEST(CocoReaders, TruncatedResultsAreAnError) {
  const std::string whole = "[" + detection("") + ", " + detection(", \"note\": \"]\"") + "]";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(results(whole.substr(0, size)).has_value()) << size;
  }
}

TEST(CocoReaders, TruncatedAnnotationsAreAnError) {
  const std::string whole = kTruth;
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(truth(whole.substr(0, size)).has_value()) << size;
  EXPECT_THAT(truth(whole.substr(0, 60)), FailsWith(ErrorCode::kCorrupt, "file truncated?"));
}

TEST(CocoReaders, AnnotationsWithNothingToFindAreAWarning) {
  const auto file = truth(R"({"images": [{"id": 1}], "categories": [{"id": 5}], "annotations": []})");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->warnings, ElementsAre(HasSubstr("nothing to find")));
}

TEST(CocoReaders, AnEmptyListOfResultsIsAWarningAndAveragePrecisionZero) {
  const auto file = results(" [ ] ");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->warnings, ElementsAre(HasSubstr("no detections")));
  ThreadPool pool(1);
  const auto record = evaluate(truth()->annotations, file->detections, {}, pool);
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->ap, 0);
}

TEST(CocoReaders, OfEqualKeysTheLastCounts) {
  const auto file = results("[" + detection(", \"score\": 0.25") + "]");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->detections.boxes[0].score, 0.25);
}

TEST(CocoReaders, WhatMakesNoSenseIsCountedInOneWarning) {
  const auto file = results("[" + detection("") + "," + detection(", \"score\": NaN") + "," +
                            detection(", \"score\": NaN") + "]");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->warnings,
              ElementsAre(AllOf(HasSubstr("2 detections"), HasSubstr("NaN"), HasSubstr("number 2"))));
}

TEST(CocoReaders, NothingIsSaidAboutSensibleFiles) {
  EXPECT_THAT(truth()->warnings, IsEmpty());
  EXPECT_THAT(results("[" + detection("") + "]")->warnings, IsEmpty());
}

// Records with what a cut between parts could be mistaken at, in more bytes than a part has.
std::string many_records(std::uint64_t seed, std::size_t count) {
  Rng rng(seed);
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) {
    static const char* kTraps[] = {"", R"(, "a": "}, {\"")", R"(, "b": [{}, {"c": [{}, {}]}])",
                                   R"(, "d": "\\")"};
    if (i > 0) text += rng.below(2) == 0 ? "," : " ,\n ";
    text += detection(std::string(kTraps[rng.below(4)]) + ", \"score\": " + std::to_string(i));
  }
  return text + "]";
}

TEST(CocoReaders, PartsOfALargeFileKeepTheOrderWhateverTheThreads) {
  constexpr std::uint64_t kSeed = 11;
  constexpr std::size_t kCount = 40000;
  const std::string text = many_records(kSeed, kCount);
  ASSERT_GT(text.size(), std::size_t{3} << 20);
  for (const int threads : {1, 3}) {
    const auto file = results(text, threads);
    ASSERT_THAT(file, IsOk()) << "seed " << kSeed;
    ASSERT_EQ(file->detections.boxes.size(), kCount);
    for (std::size_t i = 0; i < kCount; ++i)
      ASSERT_EQ(file->detections.boxes[i].score, static_cast<double>(i)) << "seed " << kSeed;
  }
}

TEST(CocoReaders, AnErrorFarIntoALargeFileNamesTheRecord) {
  std::string text = many_records(12, 40000);
  text.back() = ',';
  text += R"({"image_id": 1, "category_id": 5, "bbox": [1, 2, 3], "score": 1}])";
  EXPECT_THAT(results(text, 2), FailsWith(ErrorCode::kCorrupt, "detection 40001: 'bbox'"));
}

TEST(CocoReaders, IdsThatAreNumbersInPartAndStringsInPartAreAnError) {
  EXPECT_THAT(truth(R"({"images": [{"id": 1}, {"id": "1"}], "categories": [], "annotations": []})"),
              FailsWith(ErrorCode::kInvalidArgument, "image ids"));
}

TEST(ObjectIdTest, NumbersAreOrderedByValueWhateverTheirSize) {
  const auto big = [](const char* text) { return ObjectId::from_integer_literal(text); };
  const ObjectId ascending[] = {big("-36893488147419103232"),
                                big("-9223372036854775809"),
                                ObjectId(-5),
                                ObjectId::from_real(-4.5),
                                ObjectId(0),
                                ObjectId::from_real(0.5),
                                ObjectId(1),
                                big("9223372036854775808"),
                                big("36893488147419103232"),
                                ObjectId::from_string("1")};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      EXPECT_EQ(ascending[i] < ascending[j], i < j) << i << " " << j;
      EXPECT_EQ(ascending[i] == ascending[j], i == j) << i << " " << j;
    }
  }
  EXPECT_EQ(ObjectId::from_real(1e20), big("100000000000000000000"));
  EXPECT_EQ(ObjectId::from_real(7.0), ObjectId(7));
}

}  // namespace
}  // namespace assay::eval::coco
