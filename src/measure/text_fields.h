// Reading the small text files of /proc and /sys.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assay::measure {

// The whole file; such files have no size beforehand, so they are read until they end. Errors: kNotFound,
// kIo.
Result<std::string> read_text(const std::filesystem::path& path);

// What a folder contains, in the order of names; nothing if it cannot be read.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

std::string_view trimmed(std::string_view text);

// Digits and nothing else but white space around them; none if it does not fit 64 bits.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// "512K", "32M", "1G": powers of 1024.
std::optional<std::uint64_t> parse_scaled_bytes(std::string_view text);

// The trimmed rest of the first line "name<separator>rest"; white space around the name is ignored.
std::optional<std::string_view> find_field(std::string_view text, std::string_view name, char separator);

// Takes the first line from `text`, without its '\n'. REQUIRES: text is not empty.
std::string_view take_line(std::string_view* text);

}  // namespace assay::measure
