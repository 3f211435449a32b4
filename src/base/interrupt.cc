#include "base/interrupt.h"

#include <csignal>

namespace assay {
namespace {

// The only state of the process that is not passed along: a signal handler can reach nothing else.
volatile std::sig_atomic_t interrupted = 0;

void remember(int signal) {
  if (interrupted != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  interrupted = 1;
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, remember);
  std::signal(SIGTERM, remember);
}

Status check_interrupt() {
  if (interrupted == 0) return {};
  return Error{ErrorCode::kInterrupted, "interrupted"};
}

}  // namespace assay
