#include <nlohmann/json.hpp>

#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

TEST(Scenes, AreASetThatDetectionsCanBeEvaluatedOn) {
  const TempDir folder;
  const RunResult run = run_assay({"scenes", "-o", folder.path().string(), "--count", "4", "--seed", "9",
                                   "--size", "128x96", "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json told = json::parse(run.out);
  EXPECT_EQ(told["scenes"], 4);
  EXPECT_TRUE(fs::exists(folder / "images" / "000003.png"));
  // The truth as detections: every figure must be 1.
  const json truth = json::parse(read_bytes(folder / "annotations.json"));
  EXPECT_EQ(truth["annotations"].size(), told["objects"]);
  json found = json::array();
  for (const auto& object : truth["annotations"]) {
    found.push_back({{"image_id", object["image_id"]},
                     {"category_id", object["category_id"]},
                     {"bbox", object["bbox"]},
                     {"score", 0.9}});
  }
  write_bytes(folder / "found.json", found.dump());
  const RunResult evaluated = run_assay({"eval", "detections", "--annotations", folder / "annotations.json",
                                         "--detections", folder / "found.json"});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.out, HasSubstr("area=   all | maxDets=100 ] = 1.000"));
}

TEST(Scenes, MistakesAreOneLine) {
  EXPECT_THAT(run_assay({"scenes", "--count", "2"}).err, HasSubstr("expected either -o DIR"));
  EXPECT_THAT(run_assay({"scenes", "--raw", "x", "--size", "128"}).err, HasSubstr("expected WIDTHxHEIGHT"));
  EXPECT_EQ(run_assay({"scenes", "--raw", "x", "--count", "0"}).exit_code, 2);
}

}  // namespace
}  // namespace assay
