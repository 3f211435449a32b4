#include "flow/write_report.h"

#include <ctime>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "flow/renderer.h"
#include "flow/run_program.h"
#include "report/compose.h"
#include "report/writers.h"
#include "store/store.h"

namespace assay {

namespace fs = std::filesystem;
using report::Json;

namespace {

constexpr const char* kFonts = "/usr/share/fonts/truetype/liberation";

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), {});
  if (!in.good() && !in.eof()) return Error{ErrorCode::kIo, path.string() + ": cannot be read"};
  if (!in.is_open()) return Error{ErrorCode::kNotFound, path.string() + ": cannot be opened"};
  return content;
}

Status make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Error{ErrorCode::kIo, path.string() + ": cannot be made: " + error.message()};
  return {};
}

// Figures of an earlier run that this one does not have, and pictures of those that are to be drawn anew:
// beside newer figures they would be taken for ones of these records. What others put there stays.
void remove_earlier_figures(const fs::path& figures, const report::Composition& composition) {
  std::set<std::string> current;
  for (const auto& [path, content] : composition.files) current.insert(fs::path(path).filename().string());
  std::error_code error;
  std::vector<fs::path> earlier;
  for (const auto& entry : fs::directory_iterator(figures, error)) {
    const std::string name = entry.path().filename().string();
    const bool ours = (name.starts_with("detector-") || name.starts_with("llm-")) &&
                      (name.ends_with(".vl.json") || name.ends_with(".csv") || name.ends_with(".svg"));
    if (ours && !current.contains(name)) earlier.push_back(entry.path());
  }
  for (const auto& path : earlier) fs::remove(path, error);
}

// Midnight of the report's date in seconds; 0 for what is no date. PDF has a date of making, and the clock
// must not be it.
std::int64_t timestamp_of(const std::string& date) {
  std::tm parts{};
  if (strptime(date.c_str(), "%Y-%m-%d", &parts) == nullptr) return 0;
  return std::max<std::int64_t>(0, timegm(&parts));
}

// Without the pictures that are not there: Typst would stop at them.
void drop_absent_pictures(const fs::path& folder, report::Study& study, std::vector<std::string>& warnings) {
  for (report::Model& model : study.detectors) {
    for (report::Variant& variant : model.variants) {
      std::erase_if(variant.drawings, [&](const report::Drawing& drawing) {
        std::error_code error;
        if (fs::is_regular_file(folder / drawing.image, error)) return false;
        warnings.push_back((folder / drawing.image).string() + ": the drawing is not there and is left out");
        return true;
      });
    }
  }
}

Status render(const fs::path& folder, const fs::path& workshop, const report::Composition& composition) {
  ASSAY_TRY(const fs::path python, find_renderer());
  Json plots = Json::array();
  for (const report::Figure& figure : composition.figures) {
    if (figure.spec.is_null()) continue;
    const std::string stem = (workshop / "figures" / figure.id).string();
    plots.push_back(Json::array({stem + ".vl.json", stem + ".svg"}));
    plots.push_back(Json::array({stem + ".slide.vl.json", stem + ".slide.svg"}));
  }
  Json documents = Json::array();
  for (const char* name : {"report", "slides"})
    documents.push_back(
        Json::array({(workshop / name).string() + ".typ", (folder / name).string() + ".pdf"}));
  const Json job{{"root", folder.string()}, {"fonts", kFonts},
                 {"plots", plots},          {"bundle", (workshop / "vega.js").string()},
                 {"documents", documents},  {"timestamp", timestamp_of(composition.document.date)}};
  const fs::path job_path = workshop / ".job.json", script = workshop / ".render.py";
  ASSAY_RETURN_IF_ERROR(
      write_file_atomically(job_path, job.dump(-1, ' ', false, Json::error_handler_t::replace)));
  ASSAY_RETURN_IF_ERROR(write_file_atomically(script, report::builtin_render_py()));
  const Status rendered = run_program({python.string(), script.string(), job_path.string()});
  std::error_code ignored;
  fs::remove(job_path, ignored);
  fs::remove(script, ignored);
  return rendered;
}

Result<report::Rendered> read_rendered(const fs::path& folder, const fs::path& workshop,
                                       const report::Composition& composition) {
  report::Rendered rendered;
  for (const report::Figure& figure : composition.figures) {
    for (const auto& picture : figure.pictures) {
      ASSAY_TRY(rendered.pictures[picture.path], read_file(folder / picture.path));
    }
    if (figure.spec.is_null()) continue;
    ASSAY_TRY(rendered.svg[figure.id], read_file(workshop / "figures" / (figure.id + ".svg")));
  }
  ASSAY_TRY(rendered.bundle, read_file(workshop / "vega.js"));
  std::error_code ignored;
  fs::remove(workshop / "vega.js", ignored);
  return rendered;
}

}  // namespace

Result<ReportFiles> write_report(const fs::path& given, const fs::path& template_folder) {
  const fs::path folder = fs::absolute(given).lexically_normal();
  ASSAY_TRY(const report::Templates templates, report::Templates::read(template_folder));
  ASSAY_TRY(store::Store store, store::Store::open_to_read(folder));
  ASSAY_TRY(report::Study study, report::read_study(store));
  ReportFiles result;
  drop_absent_pictures(folder, study, result.warnings);
  ASSAY_TRY(const report::Composition composition, report::compose(study, templates));
  result.warnings.insert(result.warnings.end(), composition.warnings.begin(), composition.warnings.end());

  const fs::path workshop = folder / "report";
  ASSAY_RETURN_IF_ERROR(make_folder(workshop / "figures"));
  remove_earlier_figures(workshop / "figures", composition);
  for (const auto& [path, content] : composition.files)
    ASSAY_RETURN_IF_ERROR(write_file_atomically(workshop / path, content));

  report::Rendered rendered;
  if (const Status status = render(folder, workshop, composition); status) {
    ASSAY_TRY(rendered, read_rendered(folder, workshop, composition));
    result.files = {given / "report.pdf", given / "slides.pdf"};
  } else {
    result.not_rendered = status.error();
    for (const char* name : {"report.pdf", "slides.pdf"}) {
      std::error_code error;
      if (fs::exists(folder / name, error))
        result.warnings.push_back((given / name).string() +
                                  ": is of an earlier run and may not fit the records");
    }
  }
  ASSAY_RETURN_IF_ERROR(write_file_atomically(
      folder / "report.html",
      report::to_page(composition.document, composition.figures, composition.tables, templates, rendered)));
  result.files.push_back(given / "report.html");
  result.files.push_back(given / "report");
  return result;
}

Result<std::vector<fs::path>> eject_templates(const fs::path& folder) {
  ASSAY_RETURN_IF_ERROR(make_folder(folder));
  std::vector<fs::path> written;
  for (const auto& [name, content] : report::Templates::builtin()) {
    std::error_code error;
    if (fs::exists(folder / name, error))
      return Error{ErrorCode::kInvalidArgument,
                   (folder / name).string() + " is there already and is not overwritten"};
  }
  for (const auto& [name, content] : report::Templates::builtin()) {
    ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / name, content));
    written.push_back(folder / name);
  }
  return written;
}

}  // namespace assay
