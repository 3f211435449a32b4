// assay manual: the manual page, made from what --help knows.
#include <fmt/format.h>

#include "cli/commands.h"

namespace assay::cli {
namespace {

// Text that troff takes literally: no escapes, no requests at the start of a line, hyphens that can be
// copied.
std::string literal(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string option_heading(const CLI::Option& option) {
  std::string names;
  const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  for (const auto& name : option.get_snames()) add("-" + name);
  for (const auto& name : option.get_lnames()) add("--" + name);
  const std::string type = option.get_type_name();
  if (names.empty()) return type.empty() ? option.get_name() : type;
  return type.empty() ? names : names + " " + type;
}

// A command, then those below it.
std::string command_text(const CLI::App& app, const std::string& path) {
  std::string text;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  text += fmt::format(".SS {}\n{}\n", literal(path), literal(app.get_description()));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_name() == "--help") continue;
    text +=
        fmt::format(".TP\n.B {}\n{}\n", literal(option_heading(*option)), literal(option->get_description()));
  }
  if (!app.get_footer().empty()) text += fmt::format(".PP\n.nf\n{}\n.fi\n", literal(app.get_footer()));
  for (const CLI::App* command : commands) text += command_text(*command, path + " " + command->get_name());
  return text;
}

std::string page(const CLI::App& app) {
  std::string text = fmt::format(
      ".TH ASSAY 1\n.SH NAME\nassay \\- {}\n.SH SYNOPSIS\n.B assay\n.I COMMAND\n[OPTIONS] ...\n.SH "
      "COMMANDS\n",
      "what quantization costs, and what it buys");
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    text += command_text(*command, app.get_name() + " " + command->get_name());
  text += R"(.SH EXIT STATUS
0 done, 1 failed on input or environment, 2 wrong usage, 130 interrupted.
.SH ENVIRONMENT
.TP
.B ASSAY_MODELS_DIR
where models and data are kept that were fetched by name
.TP
.B ASSAY_LITERT
the file libLiteRt.so to use
.TP
.B NO_COLOR
plain text on terminals, too
)";
  return text;
}

}  // namespace

void add_manual(CommandLine& line) {
  CLI::App& command = line.add("manual", "Print the manual page.", "assay manual | man -l -");
  line.on_run(command, [&line](Session& session) -> Status {
    const std::string text = page(line.app());
    session.print(text);
    return session.write_json({{"page", text}});
  });
}

}  // namespace assay::cli
