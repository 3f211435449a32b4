// assay report, as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "run_binary.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path fresh_folder(const std::string& name) {
  const fs::path path = fs::path(testing::TempDir()) / ("report_" + name + std::to_string(getpid()));
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

TEST(ReportCommand, SaysInOneLineThatAFolderHoldsNoStudy) {
  const fs::path folder = fresh_folder("empty");
  const RunResult run = run_assay({"report", folder.string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("assay.sqlite"));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
  EXPECT_FALSE(fs::exists(folder / "report"));
}

TEST(ReportCommand, WritesItsTemplatesOnceAndNeverOverThem) {
  const fs::path folder = fresh_folder("templates");
  const RunResult first = run_assay({"report", "--eject", folder.string()});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  for (const char* name : {"report.md", "report.typ", "slides.typ", "style.json", "page.html", "page.css"})
    EXPECT_TRUE(fs::is_regular_file(folder / name)) << name;
  const RunResult second = run_assay({"report", "--eject", folder.string()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("is not overwritten"));
}

}  // namespace
}  // namespace assay
