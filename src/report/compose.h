// Everything of a report that needs no renderer: text, figures, tables and the files that carry them.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "report/document.h"
#include "report/figure.h"
#include "report/templates.h"

namespace assay::report {

struct Composition {
  Document document;
  std::vector<Figure> figures;
  std::vector<Table> tables;
  // By path relative to the report's folder: specifications, CSV, JSON, Markdown, Typst.
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> warnings;  // texts of the study for sections that the report does not have
};

// The same study and templates give the same bytes. Errors: kInvalidArgument for templates that cannot be
// read, naming file and line or field.
Result<Composition> compose(const Study& study, const Templates& templates);

}  // namespace assay::report
