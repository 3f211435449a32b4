#include "flow/write_scenes.h"

#include "eval/coco/readers.h"
#include "flow/coco_images.h"
#include "image/decode.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr SceneRange kRange{5, 3, 70, {96, 64}};

TEST(WriteScenes, MakesASetThatTheReadersOfCocoTake) {
  TempDir folder;
  ThreadPool pool(2);
  NoProgress silent;
  const auto report = write_scenes(kRange, folder.path(), pool, silent);
  ASSERT_THAT(report, IsOk());
  const std::string text = read_bytes(report->annotations);
  const auto images = parse_coco_images(as_bytes(text));
  ASSERT_THAT(images, IsOk());
  ASSERT_EQ(images->size(), 70u);
  EXPECT_EQ(images->front().id, 3);
  EXPECT_THAT(check_pictures(*images, report->pictures), IsOk());
  const auto truth = eval::coco::read_annotations(as_bytes(text));
  ASSERT_THAT(truth, IsOk());
  EXPECT_TRUE(truth->warnings.empty());
  const auto picture = read_image(report->pictures / "000010.png");
  ASSERT_THAT(picture, IsOk());
  EXPECT_EQ(picture->rgb, scenes::draw_scene(5, 10, {96, 64})->image.rgb);
}

TEST(WriteScenes, GivesTheSameFilesWithAnyNumberOfThreads) {
  TempDir folder;
  NoProgress silent;
  ThreadPool one(1), three(3);
  ASSERT_THAT(write_raw_scenes(kRange, folder / "one", one, silent), IsOk());
  ASSERT_THAT(write_raw_scenes(kRange, folder / "three", three, silent), IsOk());
  EXPECT_EQ(read_bytes(folder / "one"), read_bytes(folder / "three"));
  EXPECT_EQ(read_bytes(folder / "one.json"), read_bytes(folder / "three.json"));
  EXPECT_EQ(read_bytes(folder / "one").size(), 70u * 96 * 64 * 3);
}

TEST(WriteScenes, LeavesNoAnnotationsWhereThereIsNoRoom) {
  TempDir folder;
  NoProgress silent;
  ThreadPool pool(1);
  const FullDisk full(4096);
  EXPECT_THAT(write_scenes(kRange, folder.path(), pool, silent), FailsWith(ErrorCode::kIo, ".png"));
  EXPECT_FALSE(fs::exists(folder / "annotations.json"));
}

TEST(WriteScenes, RefusesToDrawNothing) {
  TempDir folder;
  NoProgress silent;
  ThreadPool pool(1);
  EXPECT_THAT(write_scenes({1, 0, 0, {}}, folder.path(), pool, silent),
              FailsWith(ErrorCode::kInvalidArgument, "must be 1 or more, not 0"));
}

}  // namespace
}  // namespace assay
