// How much memory a piece of work needs by itself.
#pragma once
#include <cstdint>
#include <functional>

#include "base/result.h"

namespace assay::measure {

// Runs `body` in a child process and gives the child's peak of resident memory from then on, what it shares
// with this process included (the program itself, and what it has loaded so far). Call it before anything
// large is loaded. Nothing that `body` changes is seen here. Errors: those of `body`; kIo (no process to be
// had, or it died: the message names the signal); kUnsupported where the system does not tell the peak.
// REQUIRES: no other thread of this process holds a lock that `body` needs.
Result<std::uint64_t> peak_memory_of(const std::function<Status()>& body);

}  // namespace assay::measure
