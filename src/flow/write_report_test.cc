#include "flow/write_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "flow/renderer.h"
#include "report/synthetic_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

class WriteReport : public testing::Test {
 protected:
  fs::path folder(const std::string& name, const report::SyntheticOptions& options = {}) {
    const fs::path path = scratch_ / name;
    fs::create_directories(path);
    const Status written = report::write_synthetic_study(path, options);
    EXPECT_TRUE(written);
    return path;
  }

  ~WriteReport() override { unsetenv("ASSAY_RENDERER"); }

  TempDir scratch_;
};

// The text of a PDF, or nothing where poppler's pdftotext is not installed.
std::string pdf_text(const fs::path& pdf) {
  const std::string command = "pdftotext -layout '" + pdf.string() + "' - 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t count = 0; (count = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), count);
  pclose(pipe);
  return text;
}

TEST_F(WriteReport, GivesTheSameBytesInTwoFolders) {
  if (!find_renderer()) GTEST_SKIP() << find_renderer().error().message;
  const fs::path first = folder("one"), second = folder("another folder");
  const auto report = write_report(first, "");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_FALSE(report->not_rendered) << report->not_rendered->message;
  ASSERT_TRUE(write_report(second, ""));
  for (const char* file :
       {"report.pdf", "slides.pdf", "report.html", "report/report.md", "report/results.csv",
        "report/figures/detector-ap.svg", "report/figures/llm-accuracy-size.slide.svg"})
    EXPECT_TRUE(content(first / file) == content(second / file)) << file;
}

TEST_F(WriteReport, HasHeadingsAndFiguresOfTheTablesInThePdf) {
  if (!find_renderer()) GTEST_SKIP() << find_renderer().error().message;
  const fs::path study = folder("study");
  ASSERT_TRUE(write_report(study, ""));
  const std::string text = pdf_text(study / "report.pdf");
  if (text.empty()) GTEST_SKIP() << "pdftotext (poppler-utils) is not installed";
  for (const char* expected :
       {"Introduction", "Background", "Experiments", "1.1 Object detectors", "1.2 Language models",
        "Conclusions", "synthetic-detector-2", "24.6", "29.0 [26.0, 34.0]"})
    EXPECT_THAT(text, HasSubstr(expected));
}

TEST_F(WriteReport, PutsPlotsAndTheirRuntimeIntoThePage) {
  if (!find_renderer()) GTEST_SKIP() << find_renderer().error().message;
  const fs::path study = folder("study", {.detectors = 1, .llms = 0});
  ASSERT_TRUE(write_report(study, ""));
  const std::string page = content(study / "report.html");
  EXPECT_THAT(page, HasSubstr("data:image/svg+xml;base64,"));
  EXPECT_THAT(page, HasSubstr("vegaEmbed"));
}

TEST_F(WriteReport, WritesDataAndTextWithoutTheRendererAndSaysHowToGetIt) {
  const fs::path study = folder("study");
  setenv("ASSAY_RENDERER", "/nonexistent", 1);
  const auto report = write_report(study, "");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_TRUE(report->not_rendered);
  EXPECT_THAT(report->not_rendered->message, HasSubstr("/nonexistent"));
  for (const char* file : {"report.html", "report/report.md", "report/results.csv", "report/results.json",
                           "report/figures/detector-ap.csv", "report/figures/detector-ap.vl.json"})
    EXPECT_TRUE(fs::is_regular_file(study / file)) << file;
  EXPECT_FALSE(fs::exists(study / "report.pdf"));
}

TEST_F(WriteReport, TakesTemplatesOfTheUser) {
  const fs::path study = folder("study", {.detectors = 1, .llms = 0}), templates = study / "mine";
  ASSERT_TRUE(eject_templates(templates));
  EXPECT_FALSE(eject_templates(templates)) << "must not overwrite";
  std::ofstream(templates / "report.md") << "# Only this\n\nMeasured on {detectors.count}.\n";
  setenv("ASSAY_RENDERER", "/nonexistent", 1);
  ASSERT_TRUE(write_report(study, templates));
  EXPECT_THAT(content(study / "report/report.md"), HasSubstr("Measured on 100 pictures."));
  const auto wrong = write_report(study, study / "report");
  EXPECT_TRUE(wrong) << "the folder of a report holds templates as well";
  EXPECT_FALSE(write_report(study, study / "nowhere"));
}

TEST_F(WriteReport, LeavesOutADrawingThatIsNotThere) {
  const fs::path study = folder("study", {.detectors = 1, .llms = 0, .drawing = "drawings/absent.png"});
  setenv("ASSAY_RENDERER", "/nonexistent", 1);
  const auto report = write_report(study, "");
  ASSERT_TRUE(report);
  EXPECT_THAT(report->warnings, testing::Contains(HasSubstr("absent.png: the drawing is not there")));
}

TEST_F(WriteReport, SaysThatAFolderHasNoStudy) { EXPECT_FALSE(write_report(scratch_.path(), "")); }

TEST_F(WriteReport, RemovesItsOwnFiguresOfEarlierRunsAndNoOtherFile) {
  const fs::path study = folder("study");
  const fs::path figures = study / "report/figures";
  fs::create_directories(figures);
  for (const char* name : {"llm-gone.vl.json", "llm-gone.svg", "detector-gone.slide.svg", "detector-gone.csv",
                           "detector-size.svg", "mine.svg", "llm-notes.txt"})
    write_bytes(figures / name, "earlier");
  setenv("ASSAY_RENDERER", "/nowhere", 1);
  ASSERT_TRUE(write_report(study, ""));
  for (const char* name :
       {"llm-gone.vl.json", "llm-gone.svg", "detector-gone.slide.svg", "detector-gone.csv"})
    EXPECT_FALSE(fs::exists(figures / name)) << name;
  EXPECT_FALSE(fs::exists(figures / "detector-size.svg")) << "it may not fit the records";
  EXPECT_TRUE(fs::exists(figures / "detector-size.vl.json"));
  for (const char* name : {"mine.svg", "llm-notes.txt"})
    EXPECT_EQ(content(figures / name), "earlier") << name;
}

}  // namespace
}  // namespace assay
