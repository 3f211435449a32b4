#include "measure/pinning.h"

#include <mutex>

#include "base/thread_pool.h"
#include "support/testing.h"

namespace assay::measure {
namespace {

int processors_of_this_thread() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  EXPECT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  return CPU_COUNT(&allowed);
}

TEST(ChooseProcessors, TakesOneOfEachCore) {
  const std::vector<Processor> machine{{0, 0, 0}, {1, 0, 0}, {2, 0, 1}, {3, 0, 1}, {4, 1, 0}, {5, 1, 0}};
  EXPECT_EQ(choose_processors(machine, 1), std::vector<int>({0}));
  EXPECT_EQ(choose_processors(machine, 3), std::vector<int>({0, 2, 4}));
  EXPECT_EQ(choose_processors(machine, 4), std::nullopt);
}

TEST(Pinning, HoldsTheThreadsOfPoolsThatAreMadeMeanwhileAndLetsGoAfterwards) {
  const int before = processors_of_this_thread();
  {
    const Pinning pinning(1);
    ASSERT_TRUE(pinning.pinned()) << pinning.description();
    EXPECT_THAT(pinning.description(), testing::MatchesRegex("pinned to [0-9]+"));
    ThreadPool pool(3);
    std::mutex mutex;
    std::vector<int> counts;
    pool.parallel_for(3, 1, [&](WorkRange) {
      const std::lock_guard lock(mutex);
      counts.push_back(processors_of_this_thread());
    });
    EXPECT_THAT(counts, testing::ElementsAre(1, 1, 1));
  }
  EXPECT_EQ(processors_of_this_thread(), before);
}

TEST(Pinning, ChangesNothingWhereThereAreTooFewCoresAndSaysSo) {
  const int before = processors_of_this_thread();
  const Pinning pinning(CPU_SETSIZE);
  EXPECT_FALSE(pinning.pinned());
  EXPECT_THAT(pinning.description(), testing::HasSubstr("physical cores may be used"));
  EXPECT_EQ(processors_of_this_thread(), before);
}

TEST(Pinning, TakesProcessorsOfOneCoreForOne) {
  if (processors_of_this_thread() < 2) GTEST_SKIP() << "needs two processors";
  TempDir root;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    const auto folder =
        root.path() / "sys/devices/system/cpu" / ("cpu" + std::to_string(number)) / "topology";
    std::filesystem::create_directories(folder);
    write_bytes(folder / "core_id", "0\n");
    write_bytes(folder / "physical_package_id", "0\n");
  }
  EXPECT_TRUE(Pinning(1, root.path()).pinned());
  const Pinning two(2, root.path());
  EXPECT_EQ(two.description(), "not pinned: 2 threads, but 1 physical cores may be used");
}

}  // namespace
}  // namespace assay::measure
