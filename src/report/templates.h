// What users can change: text, layout and looks. Built into the program; a folder with files of the same
// names overrides.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace assay::report {

std::string_view builtin_report_md();
std::string_view builtin_report_typ();
std::string_view builtin_slides_typ();
std::string_view builtin_style_json();
std::string_view builtin_page_html();
std::string_view builtin_page_css();
std::string_view builtin_render_py();

struct Templates {
  std::string report_md;               // text and order of the report: markup.h
  std::string report_typ, slides_typ;  // layout in Typst; they read report.json and slides.json
  std::string style_json;              // style.h
  std::string page_html, page_css;

  // The built-in ones by file name: what --eject writes.
  static std::vector<std::pair<std::string, std::string_view>> builtin();
  // Empty folder: all built-in. Errors: kNotFound (no such folder, or none of the files in it), kIo.
  static Result<Templates> read(const std::filesystem::path& folder);
};

}  // namespace assay::report
