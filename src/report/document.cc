#include "report/document.h"

namespace assay::report {
namespace {

const char* word(Run::Style style) {
  switch (style) {
    case Run::Style::kEmphasis:
      return "emphasis";
    case Run::Style::kCode:
      return "code";
    case Run::Style::kPlain:
      break;
  }
  return "plain";
}

const char* word(Block::Kind kind) {
  switch (kind) {
    case Block::Kind::kHeading:
      return "heading";
    case Block::Kind::kBullets:
      return "bullets";
    case Block::Kind::kFormula:
      return "formula";
    case Block::Kind::kFigure:
      return "figure";
    case Block::Kind::kTable:
      return "table";
    case Block::Kind::kReferences:
      return "references";
    case Block::Kind::kListing:
      return "listing";
    case Block::Kind::kParagraph:
      break;
  }
  return "paragraph";
}

}  // namespace

std::string plain_text(const Runs& runs) {
  std::string text;
  for (const Run& run : runs) text += run.text;
  return text;
}

Json to_json(const Document& document) {
  Json blocks = Json::array();
  for (const Block& block : document.blocks) {
    Json lines = Json::array();
    for (const Runs& runs : block.lines) {
      Json line = Json::array();
      for (const Run& run : runs) line.push_back({{"style", word(run.style)}, {"text", run.text}});
      lines.push_back(line);
    }
    blocks.push_back({{"kind", word(block.kind)},
                      {"level", block.level},
                      {"id", block.id},
                      {"number", block.number},
                      {"lines", lines}});
  }
  return Json{
      {"title", document.title}, {"author", document.author}, {"date", document.date}, {"blocks", blocks}};
}

Json to_json(const Table& table) {
  Json columns = Json::array();
  for (const auto& column : table.columns)
    columns.push_back({{"title", column.title}, {"right", column.right}});
  return Json{{"caption", table.caption}, {"columns", columns}, {"rows", table.rows}};
}

}  // namespace assay::report
