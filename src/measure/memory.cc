#include "measure/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "measure/environment.h"
#include "measure/text_fields.h"

namespace assay::measure {

Result<MemoryUsage> parse_process_status(std::string_view text) {
  const auto resident = parse_memory_field(text, "VmRSS");
  const auto peak = parse_memory_field(text, "VmHWM");
  if (!resident || !peak) {
    return Error{ErrorCode::kUnsupported, std::string("process status has no readable ") +
                                              (resident ? "VmHWM" : "VmRSS") + "; expected \"<number> kB\""};
  }
  return MemoryUsage{*resident, *peak};
}

Result<MemoryUsage> read_memory_usage() {
  auto text = read_text("/proc/self/status");
  if (!text) return Error{ErrorCode::kUnsupported, text.error().message};
  return parse_process_status(*text);
}

Status reset_peak_memory() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  const bool written = fd >= 0 && write(fd, "5", 1) == 1;  // 5: proc(5), "reset the peak resident set size"
  const int reason = errno;
  if (fd >= 0) close(fd);
  if (written) return {};
  return Error{ErrorCode::kUnsupported,
               std::string("cannot reset the peak through /proc/self/clear_refs: ") + std::strerror(reason)};
}

}  // namespace assay::measure
