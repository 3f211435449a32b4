#include <openssl/evp.h>

#include <algorithm>

#include "report/writers.h"

namespace assay::report {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

// So that no text in it can end the script element around it.
std::string json_for_script(std::string json) {
  replace_all(json, "</", "<\\/");
  replace_all(json, "<!--", "\\u003c!--");
  return json;
}

// The same of a program, in which "<" may stand before the end of a regular expression: only what an HTML
// parser looks for is changed, which a program has in texts and regular expressions alone.
std::string code_for_script(std::string code) {
  for (const char* name : {"</script", "</SCRIPT", "<!--"}) {
    std::string safe(name);
    safe.insert(1, "\\");
    replace_all(code, name, safe);
  }
  return code;
}

std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string inline_html(const Runs& runs) {
  std::string text;
  for (const Run& run : runs) {
    const char* tag = run.style == Run::Style::kCode       ? "code"
                      : run.style == Run::Style::kEmphasis ? "em"
                                                           : nullptr;
    text += tag == nullptr ? escaped(run.text)
                           : std::string("<") + tag + ">" + escaped(run.text) + "</" + tag + ">";
  }
  return text;
}

std::string list(const char* tag, const std::vector<Runs>& lines) {
  std::string text = std::string("<") + tag + ">\n";
  for (const Runs& line : lines) text += "<li>" + inline_html(line) + "</li>\n";
  return text + "</" + tag + ">\n";
}

std::string table_html(const Table& table, int number) {
  // A list of properties has no titles, and no order but its own.
  const bool sortable = std::any_of(table.columns.begin(), table.columns.end(),
                                    [](const auto& column) { return !column.title.empty(); });
  std::string text = "<figure class=\"table\" id=\"" + table.id + "\"><div class=\"wide\"><table" +
                     (sortable ? " class=\"sortable\"" : "") + ">\n<thead><tr>";
  for (const auto& column : table.columns)
    text += std::string("<th scope=\"col\"") + (column.right ? " class=\"right\"" : "") + ">" +
            escaped(column.title) + "</th>";
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      text +=
          std::string(table.columns[i].right ? "<td class=\"right\">" : "<td>") + escaped(row[i]) + "</td>";
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n<figcaption>Table " + std::to_string(number) + ": " +
         escaped(table.caption) + "</figcaption></figure>\n";
}

std::string data_table(const Figure& figure) {
  if (figure.rows.empty()) return "";
  // The browser shows few rows well; the file beside the report has all.
  constexpr std::size_t kMost = 120;
  std::string text = "<details><summary>Data</summary><div class=\"wide\"><table><thead><tr>";
  for (const auto& [key, unused] : figure.rows.front().items())
    text += "<th scope=\"col\">" + escaped(key) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < figure.rows.size() && i < kMost; ++i) {
    text += "<tr>";
    for (const auto& [unused, value] : figure.rows[i].items())
      text += "<td>" +
              (value.is_null() ? std::string()
                               : escaped(value.is_string() ? value.get<std::string>() : value.dump())) +
              "</td>";
    text += "</tr>\n";
  }
  text += "</tbody></table></div>";
  if (figure.rows.size() > kMost)
    text += "<p>The first " + std::to_string(kMost) + " of " + std::to_string(figure.rows.size()) +
            " rows; figures/" + figure.id + ".csv has all.</p>";
  return text + "</details>\n";
}

std::string figure_html(const Figure& figure, int number, const Rendered& rendered) {
  std::string text = "<figure id=\"" + figure.id + "\">\n";
  if (!figure.pictures.empty()) {
    text += "<div class=\"pictures\">";
    for (const auto& picture : figure.pictures) {
      const auto found = rendered.pictures.find(picture.path);
      if (found == rendered.pictures.end()) continue;
      text += "<div><img alt=\"" + escaped(picture.label) + "\" src=\"data:image/png;base64," +
              base64(found->second) + "\"><p>" + escaped(picture.label) + "</p></div>";
    }
    text += "</div>\n";
  } else if (const auto svg = rendered.svg.find(figure.id); svg != rendered.svg.end()) {
    text += "<div class=\"plot\" data-spec=\"" + figure.id + "\"><img alt=\"" + escaped(figure.alt) +
            "\" src=\"data:image/svg+xml;base64," + base64(svg->second) + "\"></div>\n";
  }
  return text + "<figcaption>Figure " + std::to_string(number) + ": " + escaped(figure.caption) +
         "</figcaption>\n" + data_table(figure) + "</figure>\n";
}

std::string body(const Document& document, const std::vector<Figure>& figures,
                 const std::vector<Table>& tables, const Rendered& rendered) {
  std::string text;
  for (const Block& block : document.blocks) {
    switch (block.kind) {
      case Block::Kind::kHeading: {
        const std::string tag = "h" + std::to_string(block.level + 1);
        text +=
            "<" + tag + " id=\"" + block.id + "\">" + inline_html(block.lines.front()) + "</" + tag + ">\n";
        break;
      }
      case Block::Kind::kParagraph:
        text += "<p>" + inline_html(block.lines.front()) + "</p>\n";
        break;
      case Block::Kind::kFormula:
        text += "<p class=\"formula\">" + inline_html(block.lines.front()) + "</p>\n";
        break;
      case Block::Kind::kBullets:
        text += list("ul", block.lines);
        break;
      case Block::Kind::kReferences:
        text += list("ol", block.lines);
        break;
      case Block::Kind::kListing:
        text += "<pre>" + escaped(plain_text(block.lines.front())) + "</pre>\n";
        break;
      case Block::Kind::kFigure:
        for (const Figure& figure : figures)
          if (figure.id == block.id) text += figure_html(figure, block.number, rendered);
        break;
      case Block::Kind::kTable:
        for (const Table& table : tables)
          if (table.id == block.id) text += table_html(table, block.number);
        break;
    }
  }
  return text;
}

std::string contents(const Document& document) {
  std::string text;
  for (const Block& block : document.blocks)
    if (block.kind == Block::Kind::kHeading && block.level <= 2)
      text += "<a class=\"level" + std::to_string(block.level) + "\" href=\"#" + block.id + "\">" +
              escaped(plain_text(block.lines.front())) + "</a>\n";
  return text;
}

}  // namespace

std::string to_page(const Document& document, const std::vector<Figure>& figures,
                    const std::vector<Table>& tables, const Templates& templates, const Rendered& rendered) {
  Json specs = Json::object();
  if (!rendered.bundle.empty()) {
    for (const Figure& figure : figures)
      if (!figure.spec.is_null()) specs[figure.id] = figure.spec;
  }
  const std::map<std::string, std::string> parts{
      {"title", escaped(document.title)},       {"author", escaped(document.author)},
      {"date", escaped(document.date)},         {"style", templates.page_css},
      {"contents", contents(document)},         {"body", body(document, figures, tables, rendered)},
      {"specs", json_for_script(specs.dump())}, {"bundle", code_for_script(rendered.bundle)}};
  // In one pass: what is put in is not looked at again.
  std::string page;
  const std::string& source = templates.page_html;
  for (std::size_t begin = 0; begin < source.size();) {
    const auto open = source.find("{{", begin);
    const auto close = open == std::string::npos ? open : source.find("}}", open);
    if (close == std::string::npos) {
      page += source.substr(begin);
      break;
    }
    page += source.substr(begin, open - begin);
    const auto found = parts.find(source.substr(open + 2, close - open - 2));
    page += found == parts.end() ? source.substr(open, close + 2 - open) : found->second;
    begin = close + 2;
  }
  return page;
}

}  // namespace assay::report
