#include "cli/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/cpu_features.h"
#include "cli/environment_json.h"

namespace assay::cli {
namespace {

const KernelTable& table_named(const std::string& wanted) {
  const CpuFeatures features = detect_cpu_features();
  for (const KernelTable* table : runnable_kernels(features)) {
    if (name(*table) == wanted) return *table;
  }
  return select_kernels(features);
}

std::vector<std::string> kernel_names_here() {
  const auto names = kernel_names(detect_cpu_features());
  return {names.begin(), names.end()};
}

int all_threads() {
  const auto environment = measure::read_environment();
  const double quota = environment.cpu_quota.value_or(environment.usable_cpus);
  return std::max(1, std::min(environment.usable_cpus, static_cast<int>(std::ceil(quota))));
}

// As it could be typed again: words with special characters in single quotes.
std::string quoted_command(int argc, char** argv) {
  std::string line = "assay";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain =
        !word.empty() &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+") ==
            std::string::npos;
    line += ' ';
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

// A line for each line of the message, each marked as ours, and no way for a file name to steer the terminal.
void print_error(const std::string& message) {
  const bool colour = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  for (std::size_t start = 0; start <= message.size();) {
    const std::size_t end = std::min(message.find('\n', start), message.size());
    std::string line = message.substr(start, end - start);
    for (char& c : line) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
    fmt::print(stderr, "{}assay:{} {}\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "", line);
    start = end + 1;
  }
}

std::string command_path(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return app.get_name() + (chosen.empty() ? "" : " " + command_path(*chosen.front()));
}

}  // namespace

Session::Session(CommonOptions options, std::string command)
    : options_(std::move(options)),
      command_(std::move(command)),
      threads_(options_.threads > 0 ? options_.threads : all_threads()),
      table_(&table_named(options_.kernels)),
      progress_(!options_.quiet && isatty(STDERR_FILENO) != 0) {}

ThreadPool& Session::pool() {
  if (!pool_) pool_ = std::make_unique<ThreadPool>(threads_);
  return *pool_;
}

KernelContext Session::kernels(Activations activations) { return {table_, &pool(), activations}; }

void Session::print(std::string_view text) {
  if (!prints()) return;
  progress_.clear();
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Session::note(std::string_view text) {
  if (options_.quiet) return;
  progress_.clear();
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Session::add_context(nlohmann::ordered_json& object) const {
  object["command"] = command_;
  object["environment"] = environment_json(measure::read_environment());
  object["environment"]["kernels"] = name(*table_);
  object["environment"]["threads"] = threads_;
}

Status Session::write_json(nlohmann::ordered_json record) const {
  if (options_.json.empty()) return {};
  if (record.is_object()) add_context(record);
  // Names from files need not be valid UTF-8.
  const std::string text =
      record.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  if (options_.json != "-") return write_file_atomically(options_.json, text);
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? Status() : Error{ErrorCode::kIo, "standard output: cannot be written"};
}

CommandLine::CommandLine()
    : app_("Quantizes models and measures what it costs: size, speed, energy, accuracy.", "assay") {
  app_.set_version_flag("--version", "assay " + measure::read_environment().version);
  app_.require_subcommand(1);
  app_.footer("Example: assay inspect model.gguf\n'assay COMMAND --help' explains a command.");
}

CLI::App& CommandLine::add(const std::string& name, const std::string& description,
                           const std::string& example, CLI::App* parent, Threads threads) {
  CLI::App& command = *(parent != nullptr ? *parent : app_).add_subcommand(name, description);
  command.footer("Example: " + example);
  const std::string group = "Common options";
  command
      .add_option("--json", common_.json,
                  "write the result as JSON to this file; '-': to standard output, and nothing else")
      ->type_name("FILE")
      ->group(group);
  if (threads == Threads::kOne) {
    command.add_option("--threads", common_.threads, "number of threads [all]")
        ->type_name("N")
        ->check(CLI::Range(1, 4096).description(""))
        ->group(group);
  }
  command.add_flag("--quiet", common_.quiet, "no progress, no notes")->group(group);
  command.add_option("--kernels", common_.kernels, "force an instruction set [the fastest]")
      ->type_name("NAME")
      ->check(CLI::IsMember(kernel_names_here()))
      ->group(group);
  return command;
}

CLI::App& CommandLine::add_group(const std::string& name, const std::string& description,
                                 const std::string& example) {
  CLI::App& group = *app_.add_subcommand(name, description);
  group.require_subcommand(1);
  group.footer("Example: " + example);
  return group;
}

// The session ends here, and its progress bar with it, before an error is printed.
Status CommandLine::run_session(const Run& run, const std::string& command) const {
  Session session(common_, command);
  if (!common_.json.empty() && common_.json != "-") ASSAY_RETURN_IF_ERROR(check_writable(common_.json));
  ASSAY_RETURN_IF_ERROR(run(session));
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return written ? Status() : Error{ErrorCode::kIo, "standard output: cannot be written; is the disk full?"};
}

int CommandLine::finish(const Status& status) const {
  if (status) return kExitDone;
  print_error(status.error().message);
  return status.error().code == ErrorCode::kInterrupted ? kExitInterrupted : kExitFailed;
}

int CommandLine::execute(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app_.help());
    return kExitDone;
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return kExitDone;
  } catch (const CLI::ParseError& error) {
    print_error(fmt::format("{} (see '{} --help')", error.what(), command_path(app_)));
    return kExitUsage;
  }
  for (const auto& [command, run] : runs_) {
    if (command->parsed()) return finish(run_session(run, quoted_command(argc, argv)));
  }
  return kExitUsage;
}

Status check_writable(const std::string& path) {
  ASSAY_RETURN_IF_ERROR(AtomicFile::create(path));
  return {};
}

void add_number_list(CLI::App& command, const std::string& name, std::vector<int>& values,
                     const std::string& description) {
  command
      .add_option_function<std::string>(
          name,
          [&values, name](const std::string& text) {
            values.clear();
            for (std::size_t begin = 0; begin <= text.size();) {
              const std::size_t end = std::min(text.find(',', begin), text.size());
              int value = 0;
              const auto [rest, error] = std::from_chars(text.data() + begin, text.data() + end, value);
              if (error != std::errc() || rest != text.data() + end || value < 1) {
                throw CLI::ValidationError(name,
                                           "'" + text + "' is not a list of whole numbers such as 1,2,4");
              }
              values.push_back(value);
              begin = end + 1;
            }
          },
          description)
      ->type_name("N,N,...");
}

void add_model(CLI::App& command, std::string& model, ModelKind kind) {
  const char* description =
      kind == ModelKind::kDetector     ? "a .tflite file"
      : kind == ModelKind::kCheckpoint ? "a detector's Hugging Face folder, or a name from 'assay models'"
      : kind == ModelKind::kAny
          ? "a Hugging Face or GPTQ folder, a .gguf or .tflite file, or a name from 'assay models'"
          : "a Hugging Face or GPTQ folder, a .gguf file, or a name from 'assay models'";
  command.add_option("MODEL", model, description)->required()->type_name("");
}

}  // namespace assay::cli
