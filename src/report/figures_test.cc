#include "report/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/panels.h"
#include "report/templates.h"

namespace assay::report {
namespace {

Style style() {
  const auto parsed = Style::parse(builtin_style_json());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

Model model(const std::string& name,
            const std::vector<std::pair<std::string, std::optional<double>>>& sizes) {
  Model made{store::Task::kDetector, name, "", "", "", {}};
  for (const auto& [variant, bytes] : sizes) {
    Variant one;
    one.name = variant;
    one.is_reference = made.variants.empty();
    one.bytes = bytes;
    made.variants.push_back(one);
  }
  return made;
}

std::optional<PanelCell> megabytes_cell(const Model&, const Variant& variant) {
  if (!variant.bytes) return PanelCell{std::nullopt, "not measured"};
  return PanelCell{Estimate{*variant.bytes, Interval{*variant.bytes * 0.9, *variant.bytes * 1.1}}, "label"};
}

std::optional<Figure> panels(const std::vector<Model>& models, bool bars, bool choose_axis) {
  return panel_figure({"id", "title", "caption", "Size", {"size", false, false, ""}, bars, choose_axis, {}},
                      models, megabytes_cell, style());
}

// Every mark's horizontal scale of a panel figure.
std::vector<Json> scales(const Figure& figure) {
  std::vector<Json> found;
  for (const Json& layer : figure.spec["spec"]["layer"])
    if (layer["encoding"]["x"].contains("scale")) found.push_back(layer["encoding"]["x"]["scale"]);
  return found;
}

TEST(PanelFigure, BeginsBarsAtZero) {
  const auto figure = panels({model("m", {{"float32", 100}, {"int8", 90}})}, true, false);
  ASSERT_TRUE(figure);
  for (const Json& scale : scales(*figure)) {
    EXPECT_EQ(scale["domain"][0], 0);
    EXPECT_FALSE(scale.contains("type"));
  }
}

TEST(PanelFigure, TakesALogarithmicAxisForPointsThatSpanMuch) {
  const auto wide = panels({model("m", {{"float32", 100}, {"int8", 1}})}, false, true);
  const auto narrow = panels({model("m", {{"float32", 100}, {"int8", 90}})}, false, true);
  ASSERT_TRUE(wide && narrow);
  EXPECT_EQ(scales(*wide)[0]["type"], "log");
  EXPECT_EQ(scales(*narrow)[0]["domain"][0], 0);
}

TEST(PanelFigure, PrintsWhatIsMissingAndWhatALogarithmCannotShow) {
  const auto figure =
      panels({model("m", {{"float32", 100}, {"int8", 1}, {"int4", 0}, {"int2", std::nullopt}})}, false, true);
  ASSERT_TRUE(figure);
  const Json& rows = figure->spec["data"]["values"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[2]["value"].is_null());
  EXPECT_EQ(rows[2]["label"], "label");
  EXPECT_EQ(rows[3]["label"], "not measured");
}

TEST(PanelFigure, IsNotMadeWithoutAnyValue) {
  EXPECT_FALSE(panels({model("m", {{"float32", std::nullopt}})}, true, false));
}

TEST(PanelFigure, TakesTwelveModelsInRowsOfThree) {
  std::vector<Model> models;
  for (int i = 0; i < 12; ++i)
    models.push_back(model("model-" + std::to_string(i), {{"float32", 100 + i}, {"int8", 50}}));
  const auto figure = panels(models, true, false);
  ASSERT_TRUE(figure);
  EXPECT_EQ(figure->spec["columns"], 3);
  EXPECT_EQ(figure->spec["facet"]["sort"].size(), 12u);
}

TEST(PanelFigure, HasAnAltTextWithTheFigures) {
  const auto figure = panels({model("m", {{"float32", 100}, {"int8", 50}})}, true, false);
  EXPECT_THAT(figure->alt, testing::HasSubstr("m: float32 label; int8 label"));
  EXPECT_EQ(figure->spec["description"], figure->alt);
}

TEST(BrokenLabel, BreaksLongNamesAfterPunctuation) {
  EXPECT_EQ(broken_label("facebook/detr-resnet-101-dc5", 16), "facebook/detr-\nresnet-101-dc5");
  EXPECT_EQ(broken_label("short", 16), "short");
  EXPECT_EQ(broken_label(std::string(40, 'x'), 16),
            std::string(16, 'x') + "\n" + std::string(16, 'x') + "\n" + std::string(8, 'x'));
}

TEST(LogTicks, AreRoundAndFew) {
  for (const Range range : {Range{0.9, 1100}, Range{1.2, 4.5}, Range{1e-9, 1e9}, Range{17, 95}}) {
    const auto ticks = log_ticks(range);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 7u);
    for (const double tick : ticks) EXPECT_TRUE(tick >= range.low && tick <= range.high);
  }
}

TEST(ToCsv, QuotesWhatNeedsIt) {
  const std::vector<Json> rows{{{"name", "a,\"b\""}, {"value", nullptr}}, {{"name", "c"}, {"value", 1.5}}};
  EXPECT_EQ(to_csv(rows), "name,value\r\n\"a,\"\"b\"\"\",\r\nc,1.5\r\n");
}

TEST(Style, NamesTheFieldThatIsMissing) {
  const auto parsed = Style::parse(R"({"font": "x"})");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, testing::HasSubstr("style.json: 'ink'"));
}

}  // namespace
}  // namespace assay::report
