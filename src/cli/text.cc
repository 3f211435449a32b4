#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace assay::cli {
namespace {

// Characters, not bytes: UTF-8 continuation bytes take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string megabytes(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  const double value = static_cast<double>(bytes) / 1e6;
  return fmt::format("{:.{}f} MB", value, value < 1 ? 3 : 1);
}

std::string with_separators(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<std::int64_t>(digits.size()) - 3; place > 0; place -= 3)
    digits.insert(static_cast<std::size_t>(place), ",");
  return digits;
}

std::string with_error(double value, std::optional<double> standard_error, int decimals) {
  if (!standard_error) return fmt::format("{:.{}f}", value, decimals);
  return fmt::format("{:.{}f} +- {:.{}f}", value, decimals, *standard_error, decimals);
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return out;
}

void TextTable::add_row(std::vector<std::string> cells) {
  ASSAY_CHECK(cells.size() == columns_.size());
  for (auto& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::render() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t widest = width_of(columns_[c].title);
    for (const auto& row : rows_) widest = std::max(widest, width_of(row[c]));
    widths.push_back(widest);
  }
  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_of(c);
      const std::string padding(widths[c] - width_of(cell), ' ');
      if (c > 0) line += "  ";
      line += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line([&](std::size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) add_line([&](std::size_t c) -> const std::string& { return row[c]; });
  return out;
}

std::string labelled(const std::vector<std::pair<std::string, std::string>>& lines) {
  std::size_t widest = 0;
  for (const auto& [label, value] : lines) widest = std::max(widest, width_of(label));
  std::string out;
  for (const auto& [label, value] : lines)
    out += label + std::string(widest - width_of(label) + 2, ' ') + printable(value) + "\n";
  return out;
}

}  // namespace assay::cli
