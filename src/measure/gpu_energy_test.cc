#include "measure/gpu_energy.h"

#include "support/testing.h"

namespace assay::measure {
namespace {

TEST(GpuEnergyCounter, AddsWhatTheGpusTookSinceItsStart) {
  auto counter = GpuEnergyCounter::start(ASSAY_FAKE_NVML);
  ASSERT_THAT(counter, IsOk());
  EXPECT_EQ(counter->gpus(), 2);
  EXPECT_DOUBLE_EQ(*counter->read(), 1.5 + 0.25);
  EXPECT_DOUBLE_EQ(*counter->read(), 2 * (1.5 + 0.25));
}

TEST(GpuEnergyCounter, IsNotAvailableWithoutTheDriversLibrary) {
  EXPECT_THAT(GpuEnergyCounter::start("/nowhere/libnvidia-ml.so.1"),
              FailsWith(ErrorCode::kNotFound, "no NVML"));
}

TEST(GpuEnergyCounter, IsNotAvailableWhereTheLibraryCountsNoEnergy) {
  EXPECT_THAT(GpuEnergyCounter::start("libc.so.6"), FailsWith(ErrorCode::kUnsupported, "too old"));
}

}  // namespace
}  // namespace assay::measure
