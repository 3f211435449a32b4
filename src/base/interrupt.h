// Ctrl-C as a value: long work asks between steps and returns kInterrupted, so that nothing is left half done.
#pragma once
#include "base/result.h"

namespace assay {

// From now on SIGINT and SIGTERM are remembered instead of ending the process; a second one ends it at once.
// Call once, from main.
void install_interrupt_handler();

// An error kInterrupted if the user has asked to stop, otherwise ok. Safe from any thread.
Status check_interrupt();

}  // namespace assay
