#include "flow/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/interrupt.h"

extern char** environ;

namespace assay {
namespace {

constexpr int kPollMilliseconds = 100;
constexpr std::size_t kKeptOutput = 4096;

// Both standard output and standard error of the child come through the pipe; its input is empty. It leads a
// process group of its own, so that whatever it starts can be stopped with it.
int start(const std::vector<std::string>& arguments, int pipe_read, int pipe_write, pid_t* child) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe_write, STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe_read);
  posix_spawn_file_actions_addclose(&actions, pipe_write);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawnp(child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The end of what the child printed. Ends when the child has closed the pipe, or the user has asked to stop.
std::string read_output(int fd, pid_t child) {
  std::string output;
  bool stopping = false;
  while (true) {
    if (!stopping && !check_interrupt()) {
      kill(-child, SIGTERM);
      stopping = true;
    }
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    char buffer[1024];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return output;
    output.append(buffer, static_cast<std::size_t>(count));
    if (output.size() > 2 * kKeptOutput) output.erase(0, output.size() - kKeptOutput);
  }
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "";
  const auto newline = text.rfind('\n', end);
  const auto begin = newline == std::string::npos ? 0 : newline + 1;
  return text.substr(begin, end + 1 - begin);
}

}  // namespace

Status run_program(const std::vector<std::string>& arguments) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    return Error{ErrorCode::kIo, std::string("no pipe to a program: ") + std::strerror(errno)};
  pid_t child = 0;
  const int error = start(arguments, fds[0], fds[1], &child);
  close(fds[1]);
  if (error != 0) {
    close(fds[0]);
    return Error{error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                 arguments[0] + ": cannot be started: " + std::strerror(error)};
  }
  const std::string output = read_output(fds[0], child);
  close(fds[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ASSAY_RETURN_IF_ERROR(check_interrupt());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string how = WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                                            : "signal " + std::to_string(WTERMSIG(status));
  return Error{ErrorCode::kIo, arguments[0] + " failed (" + how + "): " + last_line(output)};
}

}  // namespace assay
