// A text with figures and tables, before it is Typst, Markdown or HTML.
#pragma once
#include <string>
#include <vector>

#include "report/study.h"

namespace assay::report {

struct Run {
  enum class Style { kPlain, kEmphasis, kCode };
  Style style = Style::kPlain;
  std::string text;
};
using Runs = std::vector<Run>;

struct Block {
  enum class Kind { kHeading, kParagraph, kBullets, kFormula, kFigure, kTable, kReferences, kListing };
  Kind kind = Kind::kParagraph;
  int level = 0;            // of headings, from 1
  std::string id;           // of headings: the title in lower case with "-"; of figures and tables
  int number = 0;           // of figures and tables, each counted from 1
  std::vector<Runs> lines;  // one; of bullets and references one each
};

struct Table {
  struct Column {
    std::string title;
    bool right = false;
  };
  std::string id, caption;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

struct Document {
  std::string title, author, date;
  std::vector<Block> blocks;
};

// Without styles.
std::string plain_text(const Runs& runs);

// For the templates: {title, author, date, blocks: [{kind, level, id, number, lines: [[{style, text}]]}]}.
Json to_json(const Document& document);
Json to_json(const Table& table);

}  // namespace assay::report
