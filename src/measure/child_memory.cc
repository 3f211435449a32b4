#include "measure/child_memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "measure/memory.h"

namespace assay::measure {
namespace {

// What the child says: 'P' and the peak in decimal, or 'E', a digit for the code, and the message.
std::string child_answer(const std::function<Status()>& body) {
  // Where it cannot be reset the peak is that of the parent at least: still an upper bound.
  static_cast<void>(reset_peak_memory());
  const auto failed = [](const Error& error) {
    return "E" + std::to_string(static_cast<int>(error.code)) + error.message;
  };
  if (const Status status = body(); !status) return failed(status.error());
  const auto usage = read_memory_usage();
  if (!usage) return failed(usage.error());
  return "P" + std::to_string(usage->peak_resident_bytes);
}

[[noreturn]] void run_child(const std::function<Status()>& body, int pipe) {
  const std::string answer = child_answer(body);
  std::size_t written = 0;
  while (written < answer.size()) {
    const ssize_t count = write(pipe, answer.data() + written, answer.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  // No destructors: they belong to the parent.
  _exit(0);
}

std::string read_all(int pipe) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(pipe, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace

Result<std::uint64_t> peak_memory_of(const std::function<Status()>& body) {
  int ends[2];
  if (pipe(ends) != 0)
    return Error{ErrorCode::kIo, std::string("cannot make a pipe: ") + std::strerror(errno)};
  const pid_t child = fork();
  if (child < 0) {
    const int reason = errno;
    close(ends[0]);
    close(ends[1]);
    return Error{ErrorCode::kIo, std::string("cannot start a process: ") + std::strerror(reason)};
  }
  if (child == 0) {
    close(ends[0]);
    run_child(body, ends[1]);
  }
  close(ends[1]);
  const std::string answer = read_all(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    return Error{ErrorCode::kIo, "the process that memory is measured in was ended by signal " +
                                     std::to_string(WTERMSIG(status))};
  }
  if (answer.size() > 1 && answer[0] == 'P') return std::stoull(answer.substr(1));
  if (answer.size() > 1 && answer[0] == 'E')
    return Error{static_cast<ErrorCode>(answer[1] - '0'), answer.substr(2)};
  return Error{ErrorCode::kIo, "the process that memory is measured in gave no answer"};
}

}  // namespace assay::measure
