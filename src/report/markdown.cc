#include <algorithm>

#include "report/writers.h"

namespace assay::report {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("\\`*_{}[]<>#|$^~@").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string inline_markdown(const Runs& runs) {
  std::string text;
  for (const Run& run : runs) {
    if (run.style == Run::Style::kCode) {
      text += "`" + run.text + "`";
    } else if (run.style == Run::Style::kEmphasis) {
      text += "*" + escaped(run.text) + "*";
    } else {
      text += escaped(run.text);
    }
  }
  return text;
}

// Captions have their numbers already, which the text refers to; pdflatex does not know three of our signs.
constexpr const char* kLatexHeader =
    "header-includes:\n"
    "  - \\usepackage[labelformat=empty]{caption}\n"
    "  - \\usepackage{newunicodechar}\n"
    "  - \\newunicodechar{−}{\\ensuremath{-}}\n"
    "  - \\newunicodechar{≈}{\\ensuremath{\\approx}}\n"
    "  - \\newunicodechar{ᵀ}{\\ensuremath{^{\\mathsf{T}}}}\n";

// As YAML takes any text.
std::string quoted(const std::string& text) { return Json(text).dump(); }

std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string table_markdown(const Table& table, int number) {
  std::string text = "|", rule = "|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    // pandoc shares the width of the page among columns as the dashes are long.
    std::size_t width = std::max<std::size_t>(3, letters(table.columns[i].title));
    for (const auto& row : table.rows) width = std::max(width, letters(row[i]));
    text += " " + escaped(table.columns[i].title) + " |";
    rule += std::string(width, '-') + (table.columns[i].right ? ":|" : "|");
  }
  text += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const std::string& cell : row) text += " " + escaped(cell) + " |";
    text += "\n";
  }
  return text + "\n: Table " + std::to_string(number) + ": " + escaped(table.caption) + "\n";
}

std::string figure_markdown(const Figure& figure, int number) {
  const std::string caption = "Figure " + std::to_string(number) + ": " + figure.caption;
  if (figure.pictures.empty()) return "![" + escaped(caption) + "](figures/" + figure.id + ".svg)\n";
  std::string text;
  for (const auto& picture : figure.pictures)
    text += "![" + escaped(picture.label) + "](../" + picture.path + "){width=32%}\n";
  return text + "\n" + escaped(caption) + "\n";
}

}  // namespace

std::string to_markdown(const Document& document, const std::vector<Figure>& figures,
                        const std::vector<Table>& tables) {
  std::string text = "---\ntitle: " + quoted(document.title) + "\nauthor: " + quoted(document.author) +
                     "\ndate: " + quoted(document.date) +
                     "\noutput: pdf_document\ndocumentclass: article\npapersize: a4\nfontsize: 10pt\n"
                     "geometry: \"top=10mm, bottom=10mm, left=15mm, right=15mm, includefoot\"\n" +
                     kLatexHeader + "---\n";
  for (const Block& block : document.blocks) {
    text += "\n";
    switch (block.kind) {
      case Block::Kind::kHeading:
        text += std::string(static_cast<std::size_t>(block.level), '#') + " " +
                inline_markdown(block.lines.front()) + "\n";
        break;
      case Block::Kind::kParagraph:
        text += inline_markdown(block.lines.front()) + "\n";
        break;
      case Block::Kind::kFormula:
        text += "> " + inline_markdown(block.lines.front()) + "\n";
        break;
      case Block::Kind::kBullets:
        for (const Runs& line : block.lines) text += "- " + inline_markdown(line) + "\n";
        break;
      case Block::Kind::kReferences:
        for (std::size_t i = 0; i < block.lines.size(); ++i)
          text += std::to_string(i + 1) + ". " + inline_markdown(block.lines[i]) + "\n";
        break;
      case Block::Kind::kListing:
        text += "```\n" + plain_text(block.lines.front()) + "\n```\n";
        break;
      case Block::Kind::kFigure:
        for (const Figure& figure : figures)
          if (figure.id == block.id) text += figure_markdown(figure, block.number);
        break;
      case Block::Kind::kTable:
        for (const Table& table : tables)
          if (table.id == block.id) text += table_markdown(table, block.number);
        break;
    }
  }
  return text;
}

}  // namespace assay::report
