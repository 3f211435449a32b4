#include "run_binary.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <thread>

#include "base/check.h"

extern char** environ;

namespace assay {
namespace {

struct Pipe {
  int read_end, write_end;
};

Pipe open_pipe() {
  int fds[2];
  ASSAY_CHECK(pipe2(fds, O_CLOEXEC) == 0);
  return {fds[0], fds[1]};
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& extra) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!extra.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : extra) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

pid_t start(const std::vector<std::string>& words, const RunOptions& options, const Pipe& out,
            const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  const auto variables = environment_with(options.environment);
  pid_t child = 0;
  ASSAY_CHECK(posix_spawnp(&child, words.front().c_str(), &actions, nullptr, pointers(words).data(),
                           pointers(variables).data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

// The mask of caught signals in /proc/<pid>/status, hexadecimal, signal 1 in bit 0.
bool catches_interrupt(pid_t child) {
  std::ifstream status("/proc/" + std::to_string(child) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("SigCgt:", 0) == 0)
      return (std::stoull(line.substr(7), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
  }
  return false;
}

void wait_for_handler(pid_t child) {
  while (!catches_interrupt(child)) {
    siginfo_t ended{};
    ASSAY_CHECK(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0);
    if (ended.si_pid == child) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

RunResult run_assay(const std::vector<std::string>& arguments, const RunOptions& options) {
  std::vector<std::string> words = options.started_by;
  words.push_back(ASSAY_BINARY);
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Pipe out = open_pipe(), err = open_pipe();
  const pid_t child = start(words, options, out, err);
  close(out.write_end);
  close(err.write_end);
  RunResult result;
  bool interrupted = false;
  if (options.interrupt) {
    wait_for_handler(child);
    kill(child, SIGINT);
  }
  std::array<pollfd, 2> waiting{{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}}};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    ASSAY_CHECK(poll(waiting.data(), waiting.size(), -1) > 0);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      std::array<char, 4096> buffer;
      const ssize_t count = read(waiting[i].fd, buffer.data(), buffer.size());
      if (count > 0) {
        (i == 0 ? result.out : result.err).append(buffer.data(), static_cast<std::size_t>(count));
        if (!interrupted && !options.interrupt_at.empty() &&
            result.err.find(options.interrupt_at) != std::string::npos)
          interrupted = kill(child, SIGINT) == 0;
      } else {
        waiting[i].fd = -1;
      }
    }
  }
  close(out.read_end);
  close(err.read_end);
  int status = 0;
  ASSAY_CHECK(waitpid(child, &status, 0) == child);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace assay
