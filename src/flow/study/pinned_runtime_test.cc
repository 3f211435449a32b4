// The runtime makes its threads where nobody can reach them: that they are pinned has to be seen.
#include <sched.h>

#include <map>

#include "flow/seeded_input.h"
#include "flow/tflite_runner.h"
#include "measure/pinning.h"
#include "support/testing.h"

namespace assay {
namespace {

// The threads of this process, and on how many processors each may run.
std::map<int, int> processors_of_threads() {
  std::map<int, int> counts;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    const int id = std::stoi(thread.path().filename().string());
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(id, sizeof allowed, &allowed) == 0) counts[id] = CPU_COUNT(&allowed);
  }
  return counts;
}

TEST(PinnedRuntime, RunsItsThreadsOnTheProcessorsOfWhoeverMadeIt) {
  const auto path = shared_data("models/yolox_nano/yolox_nano.tflite");
  const auto library = litert::Library::open();
  if (!path || !library) GTEST_SKIP() << "needs libLiteRt.so and ../shared";
  const auto before = processors_of_threads();
  if (before.begin()->second == 1) GTEST_SKIP() << "needs two processors";
  const measure::Pinning pinning(1);
  ASSERT_TRUE(pinning.pinned()) << pinning.description();
  const auto model = CheckedTflite::open(*path);
  ASSERT_THAT(model, IsOk());
  auto runner = model->run_with(*library, {.threads = 3});
  ASSERT_THAT(runner, IsOk());
  ASSERT_THAT(fill_inputs(*runner), IsOk());
  ASSERT_THAT(runner->invoke(), IsOk());
  int made = 0;
  for (const auto& [thread, processors] : processors_of_threads()) {
    if (before.contains(thread)) continue;
    ++made;
    EXPECT_EQ(processors, 1);
  }
  EXPECT_GE(made, 2) << "the runtime has made no threads";
}

}  // namespace
}  // namespace assay
