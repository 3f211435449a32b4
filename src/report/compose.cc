#include "report/compose.h"

#include <algorithm>

#include "report/facts.h"
#include "report/figures.h"
#include "report/findings.h"
#include "report/markup.h"
#include "report/slides.h"
#include "report/tables.h"
#include "report/writers.h"

namespace assay::report {
namespace {

MarkupContext context_of(const Study& study, const Composition& composition) {
  MarkupContext context;
  context.facts = make_facts(study);
  for (const Figure& figure : composition.figures) context.figures.push_back(figure.id);
  for (const Table& table : composition.tables) context.tables.push_back(table.id);
  for (const char* topic : {"detectors", "llms"}) context.findings[topic];
  for (const auto& findings : {detector_findings(study), llm_findings(study)}) {
    for (const Finding& finding : findings) {
      auto& sentences = context.findings[finding.topic];
      sentences.insert(sentences.end(), finding.sentences.begin(), finding.sentences.end());
    }
  }
  context.findings["detector-conclusions"] = conclusions(study, store::Task::kDetector);
  context.findings["llm-conclusions"] = conclusions(study, store::Task::kLlm);
  context.findings["limits"] = limits(study);
  for (const auto& [section, text] : study.texts.items())
    if (text.is_string()) context.texts[section_name(section)] = text.get<std::string>();
  return context;
}

// A model's name in a path of the renderer is only ever a figure's id, which is ours.
Json figures_json(const std::vector<Figure>& figures) {
  Json json = Json::object();
  for (const Figure& figure : figures) {
    Json pictures = Json::array();
    for (const auto& picture : figure.pictures)
      pictures.push_back({{"path", picture.path}, {"label", picture.label}});
    json[figure.id] = {
        {"title", figure.title}, {"caption", figure.caption}, {"alt", figure.alt}, {"pictures", pictures}};
  }
  return json;
}

Json report_json(const Composition& composition) {
  Json json = to_json(composition.document);
  json["figures"] = figures_json(composition.figures);
  json["tables"] = Json::object();
  for (const Table& table : composition.tables) json["tables"][table.id] = to_json(table);
  return json;
}

std::string lines(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<Composition> compose(const Study& study, const Templates& templates) {
  ASSAY_TRY(const Style style, Style::parse(templates.style_json));
  Composition composition;
  composition.figures = detector_figures(study, style);
  for (Figure& figure : llm_figures(study, style)) composition.figures.push_back(std::move(figure));
  composition.tables = make_tables(study);
  const MarkupContext context = context_of(study, composition);
  ASSAY_TRY(std::vector<Block> blocks, parse_markup(templates.report_md, context));
  for (const auto& [section, unused] : context.texts) {
    const bool known = std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) {
      return block.kind == Block::Kind::kHeading && block.id == section;
    });
    if (known) continue;
    std::string sections;
    for (const Block& block : blocks)
      if (block.kind == Block::Kind::kHeading) sections += (sections.empty() ? "" : ", ") + block.id;
    composition.warnings.push_back("texts: the report has no section '" + section + "'; it has " + sections);
  }
  composition.document = {study.title, study.author, study.date, std::move(blocks)};

  auto& files = composition.files;
  for (const Figure& figure : composition.figures) {
    const std::string stem = "figures/" + figure.id;
    if (!figure.spec.is_null()) {
      files.emplace_back(stem + ".vl.json", lines(figure.spec));
      files.emplace_back(stem + ".slide.vl.json", lines(figure.slide_spec));
    }
    files.emplace_back(stem + ".csv", to_csv(figure.rows));
  }
  const auto results = result_rows(study);
  files.emplace_back("results.csv", to_csv(results));
  files.emplace_back("results.json", lines(Json(results)));
  files.emplace_back("report.json", lines(report_json(composition)));
  Json slides{{"title", study.title},
              {"author", study.author},
              {"date", study.date},
              {"figures", figures_json(composition.figures)},
              {"slides", make_slides(study, composition.figures)}};
  files.emplace_back("slides.json", lines(slides));
  files.emplace_back("report.md", to_markdown(composition.document, composition.figures, composition.tables));
  files.emplace_back("report.typ", templates.report_typ);
  files.emplace_back("slides.typ", templates.slides_typ);
  return composition;
}

}  // namespace assay::report
