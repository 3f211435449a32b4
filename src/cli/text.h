// Numbers and tables as people read them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::cli {

// "98.4 MB"; MB is 10^6 bytes. "512 bytes" where that reads better.
std::string megabytes(std::uint64_t bytes);

// "134,515,008"
std::string with_separators(std::uint64_t number);

// "0.2944 +- 0.0063"; without the error where there is none.
std::string with_error(double value, std::optional<double> standard_error, int decimals);

// Control bytes become "?", so that a name from a file cannot steer the terminal.
std::string printable(std::string_view text);

// Columns as wide as their widest cell, two spaces apart; numbers stand right, text left.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: as many cells as columns.
  void add_row(std::vector<std::string> cells);
  // Every line ends with a newline.
  std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Lines "label   value", values below each other.
std::string labelled(const std::vector<std::pair<std::string, std::string>>& lines);

}  // namespace assay::cli
