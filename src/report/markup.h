// The text of the report as templates/report.md has it.
//
//   # Title, ## Title     sections; a text of the study under the section's name replaces its paragraphs
//   - line                bullets; four spaces begin a formula on a line of its own
//   *emphasis*  `code`    a backslash takes the meaning from the character after it
//   {name}                a figure of the study; [@key; @key] references; [#id] "Figure 3", "Table 2"
//   [@key]: text          a reference's text
//
// On a line of their own:
//   {figure id} {figures prefix} {table id} {findings topic} {references} {listing name}
//   {if name} ... {end}   only where the name has a text; may be nested. {if figure id}, {if table id}: where
//                         the study has one whose id begins so; {if findings topic}: where there are any
#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "report/document.h"

namespace assay::report {

struct MarkupContext {
  std::map<std::string, std::string> facts;                  // {name}; an empty text is false for {if}
  std::vector<std::string> figures, tables;                  // ids that the study has
  std::map<std::string, std::vector<std::string>> findings;  // by topic, markup themselves
  std::map<std::string, std::string> texts;                  // the user's, by section, markup too
};

// A header between two lines "---" at the beginning is passed over. Figures and tables that the study lacks are left out. Errors: kInvalidArgument with the line for names,
// keys and directives that do not exist, {end} without {if} and the reverse. References are numbered as they
// appear, and only those that are cited are listed.
Result<std::vector<Block>> parse_markup(std::string_view text, const MarkupContext& context);

// So that inline text reads it as it stands: a model's name in a sentence.
std::string escape_markup(std::string_view text);

// "1.1 Object detectors" as "1-1-object-detectors".
std::string section_name(std::string_view title);

}  // namespace assay::report
