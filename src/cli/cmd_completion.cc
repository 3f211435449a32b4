// assay completion: a script that teaches the shell the names of commands and options.
#include <fmt/format.h>

#include "cli/commands.h"

namespace assay::cli {
namespace {

struct CompletionCases {
  std::string descend;  // patterns "assay eval lambada", quoted, joined by |
  std::string words;    // one case per command
};

void collect(const CLI::App& app, const std::string& path, CompletionCases& cases) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string child = path + " " + command->get_name();
    words += command->get_name() + " ";
    cases.descend += fmt::format("{}\"{}\"", cases.descend.empty() ? "" : "|", child);
    collect(*command, child, cases);
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& long_name : option->get_lnames()) words += "--" + long_name + " ";
    for (const auto& short_name : option->get_snames()) words += "-" + short_name + " ";
  }
  cases.words += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, words.substr(0, words.size() - 1));
}

std::string bash_script(const CLI::App& app) {
  CompletionCases cases;
  collect(app, app.get_name(), cases);
  return fmt::format(R"(# Tab completion of assay in bash: source <(assay completion bash)
_assay() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" command="assay" word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$command $word" in
      {}) command="$command $word" ;;
    esac
  done
  case "$command" in
{}  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; [[ "$cur" == -* ]] || compgen -f -- "$cur")
}}
complete -o filenames -F _assay assay
)",
                     cases.descend, cases.words);
}

}  // namespace

void add_completion(CommandLine& line) {
  CLI::App& command =
      line.add("completion", "Print a script for tab completion.", "source <(assay completion bash)");
  auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "the shell: bash")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash"}));
  // The option writes into `shell` when the line is parsed, so it must live as long as the command.
  line.on_run(command, [&line, shell](Session& session) -> Status {
    const std::string script = bash_script(line.app());
    session.print(script);
    return session.write_json({{"script", script}});
  });
}

}  // namespace assay::cli
