#include "flow/study/study_energy.h"

#include "support/testing.h"

namespace assay {
namespace {

// Keeps a processor busy for about a tenth of a second.
Status work() {
  volatile double sum = 0;
  for (int i = 0; i < 30'000'000; ++i) sum = sum + 1;
  return {};
}

TEST(MeasureEnergy, LabelsAnEstimateAndTakesProcessorTimeTimesPower) {
  if (counts_energy()) GTEST_SKIP() << "this machine counts its energy, so nothing is estimated";
  const auto figures = measure_energy(work, 3, 10.0);
  ASSERT_THAT(figures, IsOk());
  EXPECT_TRUE((*figures)["estimated"].get<bool>());
  EXPECT_THAT((*figures)["method"].get<std::string>(), testing::StartsWith("estimated: 10"));
  EXPECT_NEAR((*figures)["joules_per_unit"].get<double>(),
              10 * (*figures)["cpu_seconds"].get<double>() / (*figures)["units"].get<double>(), 1e-9);
}

TEST(MeasureEnergy, InventsNothingWithoutAPowerModel) {
  if (counts_energy()) GTEST_SKIP() << "this machine counts its energy";
  EXPECT_FALSE(measure_energy(work, 1, std::nullopt).has_value());
}

}  // namespace
}  // namespace assay
