// What a kilowatt-hour of a country's electricity emits.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace assay {

struct GridIntensity {
  std::string country;
  int year = 0;
  double gco2e_per_kwh = 0;
};

// A row of models/grid/carbon_intensity.csv (`table`) by the country's three letters, as ISO 3166 has them.
// Errors: kNotFound, with an example.
Result<GridIntensity> grid_intensity(std::string_view table, const std::string& code);

}  // namespace assay
