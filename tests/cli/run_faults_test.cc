// assay run, on machines that fail it: nothing measured is lost, and the message says what is wrong.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "store/database.h"
#include "tiny_study.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// Rights do not bind root, and a disk is hard to fill: both are had in a name space of mounts of one's own.
bool can_mount() {
  return std::system(
             "unshare -rm true >/dev/null 2>&1 && unshare -rm mount -t tmpfs tmpfs /mnt >/dev/null 2>&1") ==
         0;
}

class StudyFault : public Study {
 protected:
  // The study in `out`, after `before` in a shell that may mount; `after` runs there when it has ended.
  RunResult run_mounted(const std::string& before, const std::string& after) const {
    RunOptions options;
    options.started_by = {"unshare",
                          "-rm",
                          "sh",
                          "-c",
                          "cd '" + folder_.path().string() + "' && " + before + R"( && { "$@"; code=$?; )" +
                              after + "; exit $code; }",
                          "sh"};
    return run_assay(words(), options);
  }
  std::set<std::string> keys() const {
    std::set<std::string> keys;
    if (!fs::exists(folder_ / "out" / store::kFileName)) return keys;
    for (const auto& row : records()) keys.insert(row.subject.key());
    return keys;
  }
  // That the study goes on from what is there and repeats none of it.
  void expect_goes_on() const {
    const auto before = keys();
    const json last = run();
    EXPECT_EQ(last["reused"], before.size());
    EXPECT_EQ(last["measured"], last["planned"].get<std::size_t>() - before.size());
    const auto after = keys();
    EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  }
};

int lines_of(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

TEST_F(StudyFault, KeepsWhatWasMeasuredBeforeTheDiskWasFull) {
  if (!can_mount()) GTEST_SKIP() << "needs unshare and leave to mount";
  std::size_t most = 0;
  for (const int kilobytes : {40, 80, 120, 160, 200, 240, 280, 320}) {
    fs::remove_all(folder_ / "out");
    const RunResult result =
        run_mounted("mkdir out && mount -t tmpfs -o size=" + std::to_string(kilobytes) + "k tmpfs out",
                    "rm -rf kept; cp -a out kept");
    fs::remove_all(folder_ / "out");
    fs::rename(folder_ / "kept", folder_ / "out");
    if (result.exit_code == 0) break;
    EXPECT_EQ(result.exit_code, 1) << kilobytes << " kB: " << result.err;
    EXPECT_THAT(result.err, testing::AnyOf(HasSubstr("disk is full"), HasSubstr("No space left on device")))
        << kilobytes << " kB";
    EXPECT_THAT(result.err, HasSubstr((folder_ / "out").string())) << "which file";
    if (!fs::exists(folder_ / "out" / store::kFileName)) continue;
    auto opened = store::Store::open(folder_ / "out");
    ASSERT_THAT(opened, IsOk()) << kilobytes << " kB";
    EXPECT_FALSE(opened->set_aside().has_value()) << kilobytes << " kB";
    most = std::max(most, opened->all()->size());
  }
  EXPECT_GT(most, 0u) << "no size of disk was full in the middle";
  expect_goes_on();
}

TEST_F(StudyFault, SaysWhichFolderCannotBeWritten) {
  if (!can_mount()) GTEST_SKIP() << "needs unshare and leave to mount";
  const RunResult result =
      run_mounted("mkdir out && mount --bind out out && mount -o remount,bind,ro out", "true");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr((folder_ / "out").string()), HasSubstr("Read-only file system")));
  EXPECT_EQ(lines_of(result.err), 1) << result.err;
  expect_goes_on();
}

TEST_F(StudyFault, SaysThatAFileStandsWhereTheFolderShouldBe) {
  write_bytes(folder_ / "out", "");
  const RunResult result = run_assay(words());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr((folder_ / "out").string()));
  EXPECT_EQ(lines_of(result.err), 1) << result.err;
  EXPECT_EQ(read_bytes(folder_ / "out"), "") << "the file is untouched";
}

TEST_F(StudyFault, SaysThatAnotherProgramLocksTheRecordsAndGoesOnAfterwards) {
  describe("[float, int8]", 32, 1);
  run();
  describe("[float, int8, int4]", 32, 1);
  {
    auto held = store::Database::open(folder_ / "out" / store::kFileName, false);
    ASSERT_THAT(held, IsOk());
    ASSERT_THAT(held->run("BEGIN IMMEDIATE"), IsOk());
    const RunResult result = run_assay(words());
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, AllOf(HasSubstr(store::kFileName), HasSubstr("another program")));
    EXPECT_EQ(lines_of(result.err), 1) << result.err;
  }
  expect_goes_on();
}

TEST_F(StudyFault, KeepsADamagedFileOfRecordsAsideAndMeasuresAnew) {
  const std::string damaged = "no database, but somebody's data";
  fs::create_directories(folder_ / "out");
  write_bytes(folder_ / "out" / store::kFileName, damaged);
  const RunResult result = run_assay(words());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("assay.sqlite.damaged-1"));
  EXPECT_EQ(read_bytes(folder_ / "out/assay.sqlite.damaged-1"), damaged);
  EXPECT_FALSE(records().empty());
}

TEST_F(StudyFault, HasRecordsAndFiguresWithoutTheRendererAndSaysHowToGetIt) {
  auto all = words();
  std::erase(all, "--no-report");
  RunOptions options;
  options.environment["ASSAY_RENDERER"] = (folder_ / "nowhere").string();
  const RunResult result = run_assay(all, options);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("everything was measured, but there is no PDF"),
                                HasSubstr("tools/fetch-renderer")));
  EXPECT_FALSE(records().empty());
  EXPECT_THAT(read_bytes(folder_ / "out/report/results.csv"), HasSubstr("int4"));
  EXPECT_TRUE(fs::exists(folder_ / "out/report/report.md"));
  EXPECT_TRUE(fs::exists(folder_ / "out/report.html"));
  EXPECT_FALSE(fs::exists(folder_ / "out/report.pdf"));
}

TEST_F(StudyFault, EndsAtCtrlCWithWhatWasMeasured) {
  RunOptions options;
  options.interrupt_at = "[5/";
  const RunResult result = run_assay(words(), options);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("interrupted"));
  EXPECT_GE(records().size(), 4u);
  EXPECT_LT(records().size(), 18u);
  for (const auto& row : records()) EXPECT_NE(row.subject.kind, "failed");
  expect_goes_on();
}

}  // namespace
}  // namespace assay
