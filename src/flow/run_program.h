// Running another program.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace assay {

// Runs arguments[0], found in PATH, without a shell, and waits. What it prints is kept, and its last line
// that is not blank stands in the error when it fails. Errors: kNotFound (no such program), kIo (it failed),
// kInterrupted (it was stopped because the user has asked to stop).
Status run_program(const std::vector<std::string>& arguments);

}  // namespace assay
