#include "flow/study/grid_intensity.h"

#include "support/testing.h"

namespace assay {
namespace {

constexpr const char* kTable = "code,country,year,gco2e_per_kwh\nDEU,Germany,2023,381\nFRA,France,2022,56\n";

TEST(GridIntensity, FindsACountryByItsLetters) {
  const auto found = grid_intensity(kTable, "FRA");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->country, "France");
  EXPECT_EQ(found->year, 2022);
  EXPECT_EQ(found->gco2e_per_kwh, 56);
}

TEST(GridIntensity, SaysWhatAnUnknownCountryShouldLookLike) {
  EXPECT_THAT(grid_intensity(kTable, "Germany"),
              FailsWith(ErrorCode::kNotFound, "three letters such as DEU"));
}

}  // namespace
}  // namespace assay
