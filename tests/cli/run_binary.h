// Runs the program as a user would.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace assay {

struct RunResult {
  int exit_code = -1;  // 128 + signal number when a signal ended it
  std::string out;
  std::string err;
};

struct RunOptions {
  std::map<std::string, std::string> environment;  // added to the test's own
  // Presses Ctrl-C (SIGINT) as soon as the program listens to it.
  bool interrupt = false;
  // The same, as soon as standard error has this text.
  std::string interrupt_at;
  // Started by this command, which gets the program and its arguments as further words.
  std::vector<std::string> started_by;
};

// assay <arguments>; standard input is empty.
RunResult run_assay(const std::vector<std::string>& arguments, const RunOptions& options = {});

}  // namespace assay
