#include "measure/environment.h"

#include "base/cpu_features.h"
#include "support/testing.h"

namespace assay::measure {
namespace {

class FakeRoot {
 public:
  void file(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((dir_ / path).parent_path());
    write_bytes(dir_ / path, content);
  }
  void cache(int cpu, int index, const std::string& level, const std::string& type, const std::string& size,
             const std::string& sharers) {
    const std::string folder =
        "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index" + std::to_string(index) + "/";
    file(folder + "level", level + "\n");
    file(folder + "type", type + "\n");
    file(folder + "size", size + "\n");
    file(folder + "shared_cpu_list", sharers + "\n");
  }
  const std::filesystem::path& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

TEST(ParseCpuInfo, CountsCoresNotThreads) {
  const CpuInfo info = parse_cpu_info(
      "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nphysical id\t: 0\ncore id\t: 0\n\n"
      "processor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\nphysical id\t: 0\ncore id\t: 1\n\n"
      "processor\t: 2\nmodel name\t: Fast CPU @ 3 GHz\nphysical id\t: 0\ncore id\t: 0\n\n"
      "processor\t: 3\nmodel name\t: Fast CPU @ 3 GHz\nphysical id\t: 1\ncore id\t: 0\n\n");
  EXPECT_EQ(info.model, "Fast CPU @ 3 GHz");
  EXPECT_EQ(info.physical_cores, 3);
}

TEST(ParseCpuInfo, KnowsNothingWhereTheKernelTellsNothing) {
  const CpuInfo info = parse_cpu_info("processor\t: 0\nBogoMIPS\t: 50.00\n");
  EXPECT_FALSE(info.model.has_value());
  EXPECT_FALSE(info.physical_cores.has_value());
}

TEST(ParseMemoryField, ReadsKibibytesOnly) {
  const std::string_view text = "MemTotal:       24683108 kB\nHugePages_Total:       3\n";
  EXPECT_EQ(parse_memory_field(text, "MemTotal"), 24683108ULL * 1024);
  EXPECT_FALSE(parse_memory_field(text, "HugePages_Total").has_value());
  EXPECT_FALSE(parse_memory_field(text, "MemFree").has_value());
}

TEST(ReadLastLevelCacheBytes, AddsEachCacheOfTheHighestLevelOnce) {
  FakeRoot root;
  for (int cpu = 0; cpu < 4; ++cpu) {
    root.cache(cpu, 0, "1", "Data", "32K", std::to_string(cpu));
    root.cache(cpu, 1, "1", "Instruction", "64K", std::to_string(cpu));
    root.cache(cpu, 2, "2", "Unified", "1024K", std::to_string(cpu));
    root.cache(cpu, 3, "3", "Unified", "32768K", cpu < 2 ? "0-1" : "2-3");
  }
  EXPECT_EQ(read_last_level_cache_bytes(root.path()), 64u << 20);
  EXPECT_FALSE(read_last_level_cache_bytes(root.path() / "missing").has_value());
}

TEST(ReadEnvironment, TakesEachFieldFromItsFile) {
  FakeRoot root;
  root.file("proc/cpuinfo", "model name\t: Fast\nphysical id\t: 0\ncore id\t: 5\n");
  root.file("proc/meminfo", "MemTotal: 2048 kB\n");
  root.file("proc/loadavg", "1.25 0.50 0.10 2/100 4242\n");
  root.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
  root.file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  root.file("sys/fs/cgroup/cpu.max", "150000 100000\n");
  const Environment environment = read_environment(root.path());
  EXPECT_EQ(environment.cpu_model, "Fast");
  EXPECT_EQ(environment.physical_cores, 1);
  EXPECT_EQ(environment.memory_total_bytes, 2048u * 1024);
  EXPECT_EQ(environment.load_average, 1.25);
  EXPECT_EQ(environment.kernel, "6.1.0-18-amd64");
  EXPECT_EQ(environment.governor, "powersave");
  EXPECT_EQ(environment.cpu_quota, 1.5);
}

TEST(ReadEnvironment, LeavesOutWhatTheSystemDoesNotTell) {
  FakeRoot root;
  root.file("sys/fs/cgroup/cpu.max", "max 100000\n");
  root.file("proc/loadavg", "busy\n");
  const Environment environment = read_environment(root.path());
  EXPECT_FALSE(environment.cpu_model.has_value());
  EXPECT_FALSE(environment.memory_total_bytes.has_value());
  EXPECT_FALSE(environment.last_level_cache_bytes.has_value());
  EXPECT_FALSE(environment.governor.has_value());
  EXPECT_FALSE(environment.kernel.has_value());
  EXPECT_FALSE(environment.load_average.has_value());
  EXPECT_FALSE(environment.cpu_quota.has_value());
}

TEST(ReadEnvironment, KnowsThisProgramAndProcessor) {
  const Environment environment = read_environment();
  EXPECT_THAT(environment.version, testing::ContainsRegex("^[0-9]+[.][0-9]+[.][0-9]+$"));
  EXPECT_THAT(environment.compiler, testing::ContainsRegex("^(GCC|Clang) [0-9]+"));
  EXPECT_EQ(environment.isa, to_string(detect_cpu_features()));
  EXPECT_GE(environment.usable_cpus, 1);
}

}  // namespace
}  // namespace assay::measure
