// Language models that stay loaded while the measurements of a study go round.
#pragma once
#include <cstdint>
#include <filesystem>
#include <list>

#include "base/result.h"
#include "engine/model.h"

namespace assay {

// Takes at most a third of the memory, or one model: the one that has been there longest goes first. Not
// thread safe.
class LoadedModels {
 public:
  // Stays where it is until the next call. Errors: those of load_model.
  Result<LanguageModel*> get(const std::filesystem::path& path);

 private:
  struct Entry {
    std::filesystem::path path;
    LanguageModel model;
  };
  std::list<Entry> entries_;
  std::uint64_t bytes_ = 0;
};

}  // namespace assay
