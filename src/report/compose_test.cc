#include "report/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "report/findings.h"
#include "report/slides.h"
#include "report/synthetic_testing.h"
#include "report/writers.h"
#include "support/testing.h"

namespace assay::report {
namespace {

using testing::HasSubstr;

Study synthetic(const SyntheticOptions& options) {
  const TempDir folder;
  EXPECT_TRUE(write_synthetic_study(folder.path(), options));
  auto store = store::Store::open_to_read(folder.path());
  EXPECT_TRUE(store);
  auto study = read_study(*store);
  EXPECT_TRUE(study) << study.error().message;
  return *study;
}

Composition composed(const Study& study) {
  auto composition = compose(study, *Templates::read(""));
  EXPECT_TRUE(composition) << composition.error().message;
  return *composition;
}

std::string file(const Composition& composition, const std::string& path) {
  for (const auto& [name, content] : composition.files)
    if (name == path) return content;
  ADD_FAILURE() << path << " is not there";
  return "";
}

std::vector<std::string> headings(const Composition& composition) {
  std::vector<std::string> titles;
  for (const Block& block : composition.document.blocks)
    if (block.kind == Block::Kind::kHeading) titles.push_back(plain_text(block.lines[0]));
  return titles;
}

bool has_figure(const Composition& composition, const std::string& id) {
  return std::any_of(composition.figures.begin(), composition.figures.end(),
                     [&](const Figure& figure) { return figure.id == id; });
}

TEST(Compose, GivesTheSameBytesTwice) {
  const Composition first = composed(synthetic({})), second = composed(synthetic({}));
  ASSERT_EQ(first.files.size(), second.files.size());
  for (std::size_t i = 0; i < first.files.size(); ++i) EXPECT_EQ(first.files[i], second.files[i]);
}

TEST(Compose, HasTheSixRequiredFiguresEachWithItsData) {
  const Composition composition = composed(synthetic({}));
  for (const char* id : {"detector-size", "detector-ap", "detector-time", "llm-size", "llm-top1", "llm-top5",
                         "llm-generate", "llm-prompt"}) {
    EXPECT_TRUE(has_figure(composition, id)) << id;
    EXPECT_THAT(file(composition, std::string("figures/") + id + ".csv"), HasSubstr("synthetic"));
    EXPECT_TRUE(Json::accept(file(composition, std::string("figures/") + id + ".vl.json")));
  }
}

TEST(Compose, ShowsEveryFigureOnceAndGivesEachAnAltText) {
  const Composition composition = composed(synthetic({}));
  for (const Figure& figure : composition.figures) {
    EXPECT_FALSE(figure.alt.empty()) << figure.id;
    EXPECT_FALSE(figure.caption.empty()) << figure.id;
    const auto shown = std::count_if(
        composition.document.blocks.begin(), composition.document.blocks.end(),
        [&](const Block& block) { return block.kind == Block::Kind::kFigure && block.id == figure.id; });
    EXPECT_EQ(shown, 1) << figure.id;
  }
}

TEST(Compose, LeavesOutTheSectionOfWhatWasNotStudied) {
  const auto only_llms = headings(composed(synthetic({.detectors = 0})));
  EXPECT_THAT(only_llms, testing::Contains("1.2 Language models"));
  EXPECT_THAT(only_llms, testing::Not(testing::Contains("1.1 Object detectors")));
  const auto only_detectors = headings(composed(synthetic({.llms = 0})));
  EXPECT_THAT(only_detectors, testing::Contains("1.1 Object detectors"));
  EXPECT_THAT(only_detectors, testing::Not(testing::Contains("1.2 Language models")));
}

TEST(Compose, TakesOneModelAndOneRound) {
  const Composition composition = composed(synthetic({.detectors = 1, .llms = 0, .rounds = 1}));
  EXPECT_THAT(file(composition, "report.md"), HasSubstr("in the only round"));
}

TEST(Compose, TakesTwelveModelsWithLongNames) {
  const Composition composition = composed(
      synthetic({.detectors = 12, .llms = 0, .rounds = 2, .name_suffix = "-with-a-rather-long-name"}));
  EXPECT_TRUE(has_figure(composition, "detector-ap-size"));
}

TEST(Compose, ListsWhatFailedAndWhy) {
  const std::string text = file(composed(synthetic({.with_failure = true})), "report.md");
  EXPECT_THAT(text, HasSubstr("What could not be measured, and why"));
  EXPECT_THAT(text, HasSubstr("needs 4.1 GB, 2.0 GB are free"));
  EXPECT_THAT(text, HasSubstr("4 measurements failed"));
}

TEST(Compose, DrawsMeasuredEnergyAndListsEstimatesOnly) {
  const Composition composition = composed(synthetic({.with_energy = true}));
  EXPECT_TRUE(has_figure(composition, "detector-energy"));
  EXPECT_FALSE(has_figure(composition, "llm-energy"));
  const std::string text = file(composition, "report.md");
  EXPECT_THAT(text, HasSubstr("estimated: 10 W per busy core"));
  EXPECT_THAT(text, HasSubstr("100 g CO2e per kWh"));
  EXPECT_THAT(text, HasSubstr("took up to 45.0 W meanwhile")) << "the GPU that idles";
}

TEST(Compose, TellsWhatAYearOfRequestsSavesWithAnInterval) {
  const Composition composition = composed(synthetic({.with_energy = true}));
  const auto table = std::find_if(composition.tables.begin(), composition.tables.end(),
                                  [](const Table& candidate) { return candidate.id == "energy"; });
  ASSERT_NE(table, composition.tables.end());
  const auto column = std::find_if(table->columns.begin(), table->columns.end(), [](const auto& candidate) {
    return candidate.title == "kWh saved per year";
  });
  ASSERT_NE(column, table->columns.end());
  const auto at = static_cast<std::size_t>(column - table->columns.begin());
  for (const auto& row : table->rows) {
    const bool reference = row[1] == "float32" || row[1] == "float";
    if (reference) {
      EXPECT_EQ(row[at], "");
    } else {
      EXPECT_THAT(row[at], testing::ContainsRegex("[0-9] \\[.*, .*\\]")) << row[1];
    }
  }
}

TEST(Compose, PutsTheUsersTextsInAndWarnsOfSectionsThatDoNotExist) {
  Study study = synthetic({.detectors = 1, .llms = 0});
  study.texts = {{"Introduction", "Our own introduction."}, {"nowhere", "x"}};
  const Composition composition = composed(study);
  EXPECT_THAT(file(composition, "report.md"), HasSubstr("Our own introduction."));
  ASSERT_EQ(composition.warnings.size(), 1u);
  EXPECT_THAT(composition.warnings[0], HasSubstr("no section 'nowhere'"));
}

TEST(Compose, BeginsMarkdownWithThePandocHeader) {
  const std::string text = file(composed(synthetic({.detectors = 1, .llms = 0})), "report.md");
  for (const char* line :
       {"output: pdf_document\n", "documentclass: article\n", "papersize: a4\n", "fontsize: 10pt\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(Slides, AreTenToFourteenOfAFullStudy) {
  const Study study = synthetic({});
  const auto slides = make_slides(study, composed(study).figures);
  EXPECT_GE(slides.size(), 10u);
  EXPECT_LE(slides.size(), 14u);
  for (const Json& slide : slides) EXPECT_FALSE(slide["title"].get<std::string>().empty());
}

TEST(Page, RefersToNothingOutsideOfIt) {
  const Study study = synthetic({});
  const Composition composition = composed(study);
  const std::string page =
      to_page(composition.document, composition.figures, composition.tables, *Templates::read(""), {});
  EXPECT_FALSE(std::regex_search(page, std::regex(R"((href|src)\s*=\s*["'](https?:|//))")));
  EXPECT_THAT(page, HasSubstr("<table"));
}

TEST(Page, EscapesNames) {
  Study study = synthetic({.detectors = 1, .llms = 0});
  study.title = "</title><script>alert(1)</script>";
  study.detectors[0].name = "</script><b>&";
  const Composition composition = composed(study);
  Rendered rendered;
  rendered.bundle = "window.x = '</script>';";
  const std::string page =
      to_page(composition.document, composition.figures, composition.tables, *Templates::read(""), rendered);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
  EXPECT_EQ(page.find("'</script>'"), std::string::npos);
}

TEST(Page, LeavesRegularExpressionsOfTheRuntimeAsTheyAre) {
  const Composition composition = composed(synthetic({.detectors = 1, .llms = 0}));
  Rendered rendered;
  rendered.bundle = "x.replace(/</g, '&lt;');";
  const std::string page =
      to_page(composition.document, composition.figures, composition.tables, *Templates::read(""), rendered);
  EXPECT_THAT(page, HasSubstr(rendered.bundle));
}

}  // namespace
}  // namespace assay::report
