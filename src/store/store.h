// The measurements of one study folder, in SQLite.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/record.h"

namespace assay::store {

inline constexpr const char* kFileName = "assay.sqlite";

// Each add() is a transaction of its own and on disk when it returns, so that a process that dies loses only
// what it was measuring. Not thread safe; movable.
class Store {
 public:
  // Opens or creates `folder`/assay.sqlite for writing and holds the folder against other processes, until
  // the object or the process ends. A damaged file is kept aside as assay.sqlite.damaged-N, a new one begun,
  // and `set_aside` tells. Errors, naming the file: kIo (no folder that can be written, disk full),
  // kUnsupported (held by another process; written by a newer version).
  static Result<Store> open(const std::filesystem::path& folder);

  // For reports: nothing is held or changed. Errors: kNotFound; kCorrupt; as above.
  static Result<Store> open_to_read(const std::filesystem::path& folder);

  // Holds nothing, and nothing on disk: for plans of studies that were never run.
  static Result<Store> empty();

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // Where a damaged file went.
  const std::optional<std::filesystem::path>& set_aside() const { return set_aside_; }

  // Errors: kIo (disk full), kInvalidArgument for a key that is there already.
  Status add(const Measurement& measurement);
  Result<std::optional<Measurement>> find(const std::string& key);

  // What the study is about now: keys in the order of the report, and what is true of it as a whole (title,
  // texts, which variant is the reference). Replaces what was there. Measurements that are no longer asked
  // for stay in the file.
  Status set_plan(const std::vector<std::string>& keys, const Json& study);
  Result<Json> study();
  // Those of the plan that have been measured, in its order; all there are, by time, where there is no plan.
  Result<std::vector<Measurement>> planned();
  Result<std::vector<Measurement>> all();

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  std::optional<std::filesystem::path> set_aside_;
};

}  // namespace assay::store
