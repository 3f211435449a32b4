// A document as Markdown and as a page.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "report/document.h"
#include "report/figure.h"
#include "report/templates.h"

namespace assay::report {

// With the header that pandoc makes a LaTeX article of; figures are files beside it.
std::string to_markdown(const Document& document, const std::vector<Figure>& figures,
                        const std::vector<Table>& tables);

// What the renderer made for the page. Empty: figures are shown as tables of their data only.
struct Rendered {
  std::map<std::string, std::string> svg;       // by id of the figure
  std::map<std::string, std::string> pictures;  // PNG by path
  std::string bundle;                           // Vega's runtime
};

// One file without any reference to another: style, figures, data and scripts are in it.
std::string to_page(const Document& document, const std::vector<Figure>& figures,
                    const std::vector<Table>& tables, const Templates& templates, const Rendered& rendered);

}  // namespace assay::report
