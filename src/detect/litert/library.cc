#include "detect/litert/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "detect/litert/runner.h"
#include "detect/litert/self_test.h"

namespace assay::litert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libLiteRt.so";
constexpr const char* kAdvice = "./setup fetches it, and ASSAY_LITERT may name another file";
// Above "error": standard error is the program's to write.
constexpr std::int64_t kSilent = 3;

// While it lives, nothing that this process writes to standard error arrives. The runtime announces its
// XNNPACK delegate there when it makes the first, whatever severity it is told; the self-test makes that
// first one.
class SilentStandardError {
 public:
  SilentStandardError() : kept_(dup(STDERR_FILENO)), nowhere_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
    if (kept_ >= 0 && nowhere_ >= 0) dup2(nowhere_, STDERR_FILENO);
  }
  ~SilentStandardError() {
    if (kept_ >= 0 && nowhere_ >= 0) dup2(kept_, STDERR_FILENO);
    if (kept_ >= 0) close(kept_);
    if (nowhere_ >= 0) close(nowhere_);
  }
  SilentStandardError(const SilentStandardError&) = delete;
  SilentStandardError& operator=(const SilentStandardError&) = delete;

 private:
  int kept_;
  int nowhere_;
};

// Written beside the library by tools/fetch-litert: the library itself does not tell its version.
std::string read_version(const fs::path& library) {
  std::ifstream in(fs::path(library).replace_extension(".version"));
  std::string version;
  return in >> version ? version : "unknown";
}

// The library has a function for it that it does not export.
const char* status_name(StatusCode code) {
  switch (code) {
    case 1:
      return "invalid argument";
    case 2:
      return "out of memory";
    case 3:
      return "runtime failure";
    case 4:
      return "missing input tensor";
    case 5:
      return "unsupported";
    case 6:
      return "not found";
    case 500:
      return "file cannot be read";
    case 501:
      return "invalid flatbuffer";
    case 502:
      return "library cannot be loaded";
    case 504:
      return "compilation failed";
    case 1000:
      return "index out of bounds";
    default:
      return "status";
  }
}

// add_constant.tflite: output[i] = input[i] + (i + 1), four floats.
Status self_test(const std::shared_ptr<const Library>& library) {
  const SilentStandardError silent;
  ASSAY_TRY(Runner runner, Runner::from_bytes(library, as_bytes(self_test_model()), {.threads = 1}));
  const std::vector<float> input{0.5f, -1.0f, 2.25f, 100.0f};
  const ByteView bytes = std::as_bytes(std::span(input));
  ASSAY_TRY(const auto outputs, runner.run({{bytes}}));
  if (outputs.size() != 1 || outputs[0].size() != bytes.size())
    return Error{ErrorCode::kUnsupported, "its output has another size than expected"};
  for (std::size_t i = 0; i < input.size(); ++i) {
    float found = 0;
    std::memcpy(&found, outputs[0].data() + i * sizeof found, sizeof found);
    const float expected = input[i] + static_cast<float>(i + 1);
    if (found != expected) {
      return Error{ErrorCode::kUnsupported, "output " + std::to_string(i) + " is " + std::to_string(found) +
                                                ", expected " + std::to_string(expected)};
    }
  }
  return {};
}

}  // namespace

Result<fs::path> find_library() {
  if (const char* named = std::getenv("ASSAY_LITERT"); named != nullptr && *named != '\0') {
    if (fs::is_regular_file(named)) return fs::path(named);
    return Error{ErrorCode::kNotFound, std::string("ASSAY_LITERT names ") + named + ", which is not a file"};
  }
  std::vector<fs::path> places;
  std::error_code error;
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error) {
    const fs::path folder = program.parent_path();
    for (const char* place : {".", "../lib/assay", "../litert"}) places.push_back(folder / place / kFile);
  }
  places.emplace_back(ASSAY_LITERT_BUILD_PATH);
  for (const auto& place : places) {
    if (fs::is_regular_file(place, error)) return place.lexically_normal();
  }
  return Error{ErrorCode::kNotFound, std::string("the LiteRT library (") + kFile + " " + kWantedVersion +
                                         "), which runs .tflite models, is not there; " + kAdvice};
}

Result<std::shared_ptr<const Library>> Library::open() {
  ASSAY_TRY(const fs::path path, find_library());
  return open(path);
}

Result<std::shared_ptr<const Library>> Library::open(const fs::path& path) {
  const std::shared_ptr<Library> library(new Library(path));
  ASSAY_RETURN_IF_ERROR(library->load());
  std::shared_ptr<const Library> loaded = library;
  if (const Status status = self_test(loaded); !status) {
    return Error{ErrorCode::kUnsupported, path.string() + ": LiteRT fails its self-test (" +
                                              status.error().message +
                                              "); version found: " + loaded->version() +
                                              ", wanted: " + kWantedVersion + "; " + kAdvice};
  }
  return loaded;
}

Status Library::load() {
  if (std::error_code error; !fs::is_regular_file(path_, error))
    return Error{ErrorCode::kNotFound,
                 path_.string() + ": is not a file, expected the LiteRT library; " + kAdvice};
  version_ = read_version(path_);
  handle_ = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    const char* reason = dlerror();
    return Error{ErrorCode::kUnsupported, path_.string() + ": cannot be loaded as the LiteRT library: " +
                                              (reason != nullptr ? reason : "no reason given")};
  }
  ASSAY_RETURN_IF_ERROR(resolve());
  return create_environment();
}

Status Library::resolve() {
  const auto find = [this](const char* name, auto& function) -> Status {
    const std::string symbol = std::string("LiteRt") + name;
    void* address = dlsym(handle_, symbol.c_str());
    if (address == nullptr) {
      return Error{ErrorCode::kUnsupported, path_.string() + ": lacks the function " + symbol +
                                                "; LiteRT version found: " + version_ +
                                                ", wanted: " + kWantedVersion + "; " + kAdvice};
    }
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    return {};
  };
#define ASSAY_LITERT_RESOLVE(name, result, parameters) ASSAY_RETURN_IF_ERROR(find(#name, api_.name));
  ASSAY_LITERT_FUNCTIONS(ASSAY_LITERT_RESOLVE)
#undef ASSAY_LITERT_RESOLVE
  return {};
}

Status Library::create_environment() {
  // Without the first it would look for GPU libraries and warn that there are none.
  EnvironmentOption options[2]{};
  options[0].tag = kTagAutoRegisterAccelerators;
  options[0].value.type = kAnyInteger;
  options[0].value.integer = kAcceleratorCpu;
  options[1].tag = kTagMinLoggerSeverity;
  options[1].value.type = kAnyInteger;
  options[1].value.integer = kSilent;
  const StatusCode code = api_.CreateEnvironment(2, options, &environment_);
  if (code != kOk) return error(path_.string() + ": cannot make an environment", code);
  return {};
}

Library::~Library() {
  if (environment_ != nullptr) api_.DestroyEnvironment(environment_);
  // The library stays loaded: XNNPACK keeps per-thread state whose destructors run after this one.
}

Error Library::error(const std::string& what, StatusCode code) const {
  return {ErrorCode::kUnsupported,
          what + ": LiteRT says " + status_name(code) + " (" + std::to_string(code) + ")"};
}

}  // namespace assay::litert
