// The LiteRT runtime: libLiteRt.so of the wheel ai-edge-litert, loaded when it is first needed.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "detect/litert/c_api.h"

namespace assay::litert {

// Where the library is: the variable ASSAY_LITERT if set, else the first that exists of libLiteRt.so beside
// the program, ../lib/assay/ (installed), ../litert/ (build tree) and the path that this program was built
// with. Errors: kNotFound, naming what to do.
Result<std::filesystem::path> find_library();

// A loaded library that has passed its self-test, and the environment that models run in. Thread safe: models
// of one library may be made and run from several threads, each model by one thread at a time.
class Library {
 public:
  // Loads, resolves every function and runs a model of one operator whose result is known.
  // Errors: kNotFound (no such file), kUnsupported (not loadable here, another version, or a wrong result);
  // the message names the file, the version found and the version wanted.
  static Result<std::shared_ptr<const Library>> open(const std::filesystem::path& path);
  static Result<std::shared_ptr<const Library>> open();  // find_library()

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  const CApi& api() const { return api_; }
  EnvironmentHandle environment() const { return environment_; }
  const std::filesystem::path& path() const { return path_; }
  const std::string& version() const { return version_; }  // "2.3.0"; "unknown" without libLiteRt.version

  // Of a call that returned `code`: "<what>: LiteRT says <status> (code)".
  Error error(const std::string& what, StatusCode code) const;

 private:
  explicit Library(std::filesystem::path path) : path_(std::move(path)) {}
  Status load();
  Status resolve();
  Status create_environment();

  std::filesystem::path path_;
  std::string version_;
  void* handle_ = nullptr;
  CApi api_;
  EnvironmentHandle environment_ = nullptr;
};

}  // namespace assay::litert
