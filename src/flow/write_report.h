// A report from the records of a study folder: composed by report/, rendered by Vega-Lite and Typst, written
// to files.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"

namespace assay {

struct ReportFiles {
  std::vector<std::filesystem::path>
      files;  // report.pdf, slides.pdf, report.html and the folder report/, as far as made
  std::vector<std::string> warnings;
  // Why there are neither plots nor PDF: the renderer is missing or failed. Everything else is there all the
  // same.
  std::optional<Error> not_rendered;
};

// Writes `folder`/report.pdf, slides.pdf, report.html, and report/ with all they are made of. `templates`: a
// folder with files that replace the built-in ones; empty for none. The same records and templates give the
// same bytes; paths do not matter. Errors: those of the store and of report/compose.h; kIo. Pictures that a
// record names and that are not there become warnings.
Result<ReportFiles> write_report(const std::filesystem::path& folder, const std::filesystem::path& templates);

// Writes the built-in templates into `folder`, which is made. Errors: kInvalidArgument where one is there
// already; kIo.
Result<std::vector<std::filesystem::path>> eject_templates(const std::filesystem::path& folder);

}  // namespace assay
