// The subcommands, the options that all of them take, and how a run ends: messages, JSON, exit code.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/terminal_progress.h"
#include "kernels/kernels.h"

namespace assay::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // on input or environment
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

struct CommonOptions {
  std::string json;  // a file, or "-": standard output; empty: none
  int threads = 0;   // 0: all
  bool quiet = false;
  std::string kernels;  // an instruction set by name; empty: the fastest
};

// What a command runs with. Everything that a command says goes through here. Not thread safe.
class Session {
 public:
  Session(CommonOptions options, std::string command);

  int threads() const { return threads_; }
  const KernelTable& kernel_table() const { return *table_; }
  KernelContext kernels(Activations activations = Activations::kFloat);
  ThreadPool& pool();  // started at the first call
  TerminalProgress& progress() { return progress_; }

  // Whether people read standard output: no JSON goes there.
  bool prints() const { return options_.json != "-"; }
  // For people, on standard output. Text must end with a newline but where more of the line follows.
  void print(std::string_view text);
  // Beside the result, on standard error; nothing with --quiet.
  void note(std::string_view text);

  // Adds "command" and "environment" to an object.
  void add_context(nlohmann::ordered_json& object) const;
  // Writes what --json asked for, if it did: an object with its context, or an array as it is.
  Status write_json(nlohmann::ordered_json record) const;

 private:
  CommonOptions options_;
  std::string command_;
  int threads_;
  const KernelTable* table_;
  TerminalProgress progress_;
  std::unique_ptr<ThreadPool> pool_;
};

class CommandLine {
 public:
  using Run = std::function<Status(Session&)>;

  CommandLine();

  // A command without --threads, or with it.
  enum class Threads { kOne, kOwnOption };
  // `example`: a command that a user could copy, shown at the end of --help. `parent` null: of `assay`
  // itself.
  CLI::App& add(const std::string& name, const std::string& description, const std::string& example,
                CLI::App* parent = nullptr, Threads threads = Threads::kOne);
  // A command that only groups others.
  CLI::App& add_group(const std::string& name, const std::string& description, const std::string& example);
  // What happens when `command` is the one given.
  void on_run(CLI::App& command, Run run) { runs_.emplace_back(&command, std::move(run)); }

  const CLI::App& app() const { return app_; }

  // Parses and runs; returns the exit code.
  int execute(int argc, char** argv);

 private:
  Status run_session(const Run& run, const std::string& command) const;
  int finish(const Status& status) const;

  CLI::App app_;
  CommonOptions common_;
  std::vector<std::pair<CLI::App*, Run>> runs_;
};

// An option whose value is a list of whole numbers >= 1: "1,5,10".
void add_number_list(CLI::App& command, const std::string& name, std::vector<int>& values,
                     const std::string& description);

// Whether a file of this name could be written: asked before long work, not after it. Errors: kIo.
Status check_writable(const std::string& path);

// What a command takes as its model; --help says so.
enum class ModelKind { kLanguageModel, kDetector, kCheckpoint, kAny };

// The positional MODEL.
void add_model(CLI::App& command, std::string& model, ModelKind kind);

}  // namespace assay::cli
