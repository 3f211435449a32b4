#include "report/templates.h"

#include <fstream>
#include <iterator>

namespace assay::report {

namespace fs = std::filesystem;

std::vector<std::pair<std::string, std::string_view>> Templates::builtin() {
  return {{"report.md", builtin_report_md()},   {"report.typ", builtin_report_typ()},
          {"slides.typ", builtin_slides_typ()}, {"style.json", builtin_style_json()},
          {"page.html", builtin_page_html()},   {"page.css", builtin_page_css()}};
}

Result<Templates> Templates::read(const fs::path& folder) {
  Templates templates;
  std::string* const parts[] = {&templates.report_md,  &templates.report_typ, &templates.slides_typ,
                                &templates.style_json, &templates.page_html,  &templates.page_css};
  const auto files = builtin();
  std::string names;
  bool found = folder.empty();
  for (std::size_t i = 0; i < files.size(); ++i) {
    *parts[i] = files[i].second;
    names += (i == 0 ? "" : ", ") + files[i].first;
    if (folder.empty()) continue;
    const fs::path path = folder / files[i].first;
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    std::ifstream in(path, std::ios::binary);
    parts[i]->assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return Error{ErrorCode::kIo, path.string() + ": cannot be read"};
    found = true;
  }
  if (!found)
    return Error{ErrorCode::kNotFound,
                 folder.string() + ": holds none of " + names + "; 'assay report --eject DIR' writes them"};
  return templates;
}

}  // namespace assay::report
