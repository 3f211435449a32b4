// The runtime makes its threads where nobody can reach them: that they are pinned has to be seen.
#include <sched.h>

#include "flow/seeded_input.h"
#include "flow/tflite_runner.h"
#include "measure/pinning.h"
#include "support/testing.h"

namespace assay {
namespace {

// For each thread of this process on how many processors it may run.
std::vector<int> processors_of_threads() {
  std::vector<int> counts;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(std::stoi(thread.path().filename().string()), sizeof allowed, &allowed) == 0)
      counts.push_back(CPU_COUNT(&allowed));
  }
  return counts;
}

TEST(PinnedRuntime, RunsItsThreadsOnTheProcessorsOfWhoeverMadeIt) {
  const auto path = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto library = litert::Library::open();
  if (!path || !library) GTEST_SKIP() << "needs libLiteRt.so and ../shared";
  if (processors_of_threads() == std::vector<int>{1}) GTEST_SKIP() << "needs two processors";
  const measure::Pinning pinning(1);
  ASSERT_TRUE(pinning.pinned()) << pinning.description();
  const auto model = CheckedTflite::open(*path);
  ASSERT_THAT(model, IsOk());
  const std::size_t before = processors_of_threads().size();
  auto runner = model->run_with(*library, {.threads = 3});
  ASSERT_THAT(runner, IsOk());
  ASSERT_THAT(fill_inputs(*runner), IsOk());
  ASSERT_THAT(runner->invoke(), IsOk());
  const auto counts = processors_of_threads();
  EXPECT_GE(counts.size(), before + 2) << "the runtime has made no threads";
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 1), static_cast<std::ptrdiff_t>(counts.size()));
}

}  // namespace
}  // namespace assay
