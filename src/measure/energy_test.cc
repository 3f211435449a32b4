#include "measure/energy.h"

#include <unistd.h>

#include "support/testing.h"

namespace assay::measure {
namespace {

// A sysfs of our own.
class FakePowercap {
 public:
  void zone(const std::string& folder, const std::string& name, std::uint64_t energy,
            std::uint64_t range = 1000) {
    std::filesystem::create_directories(dir_ / folder);
    write_bytes(dir_ / (folder + "/name"), name + "\n");
    write_bytes(dir_ / (folder + "/max_energy_range_uj"), std::to_string(range) + "\n");
    set(folder, energy);
  }
  void set(const std::string& folder, std::uint64_t energy) {
    write_bytes(dir_ / (folder + "/energy_uj"), std::to_string(energy) + "\n");
  }
  const std::filesystem::path& path() const { return dir_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }

 private:
  TempDir dir_;
};

constexpr double kMicrojoule = 1e-6;

TEST(EnergyCounter, AddsPackagesAndKeepsMemoryApart) {
  FakePowercap fake;
  fake.zone("intel-rapl:0", "package-0", 100);
  fake.zone("intel-rapl:0/intel-rapl:0:0", "core", 50);
  fake.zone("intel-rapl:0/intel-rapl:0:1", "dram", 10);
  fake.zone("intel-rapl:1", "package-1", 200);
  fake.zone("intel-rapl:2", "psys", 300);
  // As in sysfs, sub-zones also stand beside their package.
  fake.zone("intel-rapl:0:1", "dram", 10);
  fake.zone("intel-rapl-mmio:0", "package-0", 100);
  auto counter = EnergyCounter::start(fake.path());
  ASSERT_THAT(counter, IsOk());
  fake.set("intel-rapl:0", 130);
  fake.set("intel-rapl:0/intel-rapl:0:0", 99);
  fake.set("intel-rapl:0/intel-rapl:0:1", 17);
  fake.set("intel-rapl:1", 205);
  fake.set("intel-rapl:2", 999);
  fake.set("intel-rapl:0:1", 17);
  const auto record = counter->read();
  ASSERT_THAT(record, IsOk());
  EXPECT_DOUBLE_EQ(record->package_joules, 35 * kMicrojoule);
  EXPECT_DOUBLE_EQ(record->dram_joules.value(), 7 * kMicrojoule);
  EXPECT_THAT(record->domains, testing::ElementsAre("package-0", "dram", "package-1"));
  EXPECT_GE(record->seconds, 0);
}

TEST(EnergyCounter, RecognisesAWrapBetweenTwoReadings) {
  FakePowercap fake;
  fake.zone("intel-rapl:0", "package-0", 900, /*range=*/1000);
  auto counter = EnergyCounter::start(fake.path());
  ASSERT_THAT(counter, IsOk());
  fake.set("intel-rapl:0", 50);
  ASSERT_THAT(counter->sample(), IsOk());
  fake.set("intel-rapl:0", 20);
  const auto record = counter->read();
  ASSERT_THAT(record, IsOk());
  EXPECT_DOUBLE_EQ(record->package_joules, (150 + 970) * kMicrojoule);
}

TEST(EnergyCounter, LeavesMemoryOutWhereItIsNotCounted) {
  FakePowercap fake;
  fake.zone("intel-rapl:0", "package-0", 1);
  auto counter = EnergyCounter::start(fake.path());
  ASSERT_THAT(counter, IsOk());
  EXPECT_FALSE(counter->read()->dram_joules.has_value());
  EXPECT_EQ(counter->read()->package_joules, 0);
}

TEST(EnergyCounter, GivesTheReasonWhyThereIsNoValue) {
  EXPECT_THAT(EnergyCounter::start("/nonexistent"), FailsWith(ErrorCode::kNotFound, "no energy counter"));
  FakePowercap fake;
  fake.zone("intel-rapl:0", "psys", 1);
  EXPECT_THAT(EnergyCounter::start(fake.path()), FailsWith(ErrorCode::kNotFound, "no energy counter"));
  fake.zone("intel-rapl:1", "package-0", 1);
  auto counter = EnergyCounter::start(fake.path());
  ASSERT_THAT(counter, IsOk());
  write_bytes(fake / "intel-rapl:1/energy_uj", "many\n");
  EXPECT_THAT(EnergyCounter::start(fake.path()), FailsWith(ErrorCode::kCorrupt, "energy_uj is not a number"));
  EXPECT_THAT(counter->read(), FailsWith(ErrorCode::kCorrupt, "energy_uj is not a number"));
  std::filesystem::remove(fake / "intel-rapl:1/energy_uj");
  EXPECT_THAT(counter->read(), FailsWith(ErrorCode::kNotFound, "energy_uj"));
}

TEST(EnergyCounter, SaysThatTheCounterMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  FakePowercap fake;
  fake.zone("intel-rapl:0", "package-0", 1);
  std::filesystem::permissions(fake / "intel-rapl:0/energy_uj", std::filesystem::perms::none);
  EXPECT_THAT(EnergyCounter::start(fake.path()), FailsWith(ErrorCode::kIo, "Permission denied"));
}

TEST(EnergyCounter, RefusesACounterThatFallsFromAboveItsRange) {
  FakePowercap fake;
  fake.zone("intel-rapl:0", "package-0", 2000, /*range=*/1000);
  auto counter = EnergyCounter::start(fake.path());
  ASSERT_THAT(counter, IsOk());
  fake.set("intel-rapl:0", 5);
  EXPECT_THAT(counter->read(), FailsWith(ErrorCode::kCorrupt, "above its range"));
}

}  // namespace
}  // namespace assay::measure
