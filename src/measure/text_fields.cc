#include "measure/text_fields.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "base/bytes.h"

namespace assay::measure {

Result<std::string> read_text(const std::filesystem::path& path) {
  const auto failed = [&](const char* action, int reason) {
    const ErrorCode code = reason == ENOENT || reason == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error{code, std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(reason)};
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("open", errno);
  std::string content;
  char buffer[4096];
  ssize_t num_read = 0;
  while ((num_read = read(fd, buffer, sizeof buffer)) > 0)
    content.append(buffer, static_cast<std::size_t>(num_read));
  const int reason = errno;
  close(fd);
  if (num_read < 0) return failed("read", reason);
  return content;
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;  // the increment of a range-for would throw
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  text = trimmed(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_scaled_bytes(std::string_view text) {
  text = trimmed(text);
  std::uint64_t unit = 1;
  if (text.ends_with('K')) unit = 1ULL << 10;
  if (text.ends_with('M')) unit = 1ULL << 20;
  if (text.ends_with('G')) unit = 1ULL << 30;
  if (unit != 1) text.remove_suffix(1);
  const auto number = parse_unsigned(text);
  std::uint64_t bytes = 0;
  if (!number || !checked_multiply(*number, unit, &bytes)) return std::nullopt;
  return bytes;
}

std::string_view take_line(std::string_view* text) {
  const std::size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

std::optional<std::string_view> find_field(std::string_view text, std::string_view name, char separator) {
  while (!text.empty()) {
    const std::string_view line = take_line(&text);
    const std::size_t at = line.find(separator);
    if (at != std::string_view::npos && trimmed(line.substr(0, at)) == name)
      return trimmed(line.substr(at + 1));
  }
  return std::nullopt;
}

}  // namespace assay::measure
