// What a panel figure shows of a variant; the same for detectors and language models.
#pragma once
#include "report/panels.h"

namespace assay::report {

// "not measured", or that it failed.
PanelCell absent_cell();

std::optional<PanelCell> size_cell(const Model& model, const Variant& variant);
// AP or accuracy, in percent.
std::optional<PanelCell> quality_cell(const Model& model, const Variant& variant);
// Percent of the reference's; no row for the reference itself.
std::optional<PanelCell> kept_cell(const Model& model, const Variant& variant);
std::optional<PanelCell> memory_cell(const Model& model, const Variant& variant);
// Of what was measured; estimates are not drawn.
std::optional<PanelCell> energy_cell(const Model& model, const Variant& variant);
// Of "inference", "generate" or "prompt".
CellOf speed_cell(const std::string& test);
CellOf other_quality_cell(const std::string& name);

// "5 rounds" or "3 to 5 rounds", and whether some were disturbed, for captions. Empty where nothing is there.
std::string rounds_text(const std::vector<Model>& models, const std::string& test);
// "median of 5 interleaved rounds with 95 % bootstrap interval over rounds, 2 threads."
std::string timing_caption(const std::vector<Model>& models, const std::string& test);
// What the models were judged on: `known` where the data's name contains `pattern`, else the name itself.
std::string data_name(const std::vector<Model>& models, const std::string& known, const std::string& pattern);
// The file's name of an absolute path; other texts as they are.
std::string short_name(const std::string& text);
// "1 thread"
std::string threads_text(const std::vector<Model>& models, const std::string& test);
// "100 pictures", "1,000 passages"
std::string count_text(const std::vector<Model>& models, const std::string& unit);

}  // namespace assay::report
