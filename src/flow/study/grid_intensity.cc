#include "flow/study/grid_intensity.h"

#include <charconv>
#include <vector>

namespace assay {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

}  // namespace

Result<GridIntensity> grid_intensity(std::string_view table, const std::string& code) {
  for (const std::string_view line : split(table, '\n')) {
    const auto cells = split(line, ',');
    if (cells.size() != 4 || cells[0] != code) continue;
    GridIntensity found{std::string(cells[1]), 0, 0};
    std::from_chars(cells[2].data(), cells[2].data() + cells[2].size(), found.year);
    std::from_chars(cells[3].data(), cells[3].data() + cells[3].size(), found.gco2e_per_kwh);
    return found;
  }
  return Error{ErrorCode::kNotFound,
               "climate.country: no figure for " + code +
                   ", expected three letters such as DEU, or gco2e_per_kwh with a number"};
}

}  // namespace assay
