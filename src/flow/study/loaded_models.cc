#include "flow/study/loaded_models.h"

#include <utility>

#include "engine/load.h"
#include "measure/environment.h"

namespace assay {
namespace {

// Stored, and repacked for timings.
std::uint64_t bytes_of(const LanguageModel& model) { return 2 * model_size(model).total_bytes; }

std::uint64_t limit() { return measure::read_environment().memory_total_bytes.value_or(0) / 3; }

}  // namespace

Result<LanguageModel*> LoadedModels::get(const std::filesystem::path& path) {
  for (auto& entry : entries_) {
    if (entry.path == path) return &entry.model;
  }
  ASSAY_TRY(LanguageModel model, load_model(path));
  bytes_ += bytes_of(model);
  while (!entries_.empty() && bytes_ > limit()) {
    bytes_ -= bytes_of(entries_.front().model);
    entries_.pop_front();
  }
  entries_.push_back({path, std::move(model)});
  return &entries_.back().model;
}

}  // namespace assay
