#include "measure/child_memory.h"

#include <csignal>
#include <cstring>
#include <memory>

#include "support/testing.h"

namespace assay::measure {
namespace {

// Touches every page, through a pointer that the compiler cannot see through.
Status hold(std::size_t num_bytes) {
  const std::unique_ptr<char[]> memory(new char[num_bytes]);
  std::memset(memory.get(), 1, num_bytes);
  asm volatile("" : : "r"(memory.get()) : "memory");
  return {};
}

TEST(ChildMemory, GrowsByWhatTheBodyHolds) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer holds memory of its own for every byte of the body";
#endif
  constexpr std::size_t kHeld = std::size_t{64} << 20;
  const auto nothing = peak_memory_of([] { return Status(); });
  const auto much = peak_memory_of([] { return hold(kHeld); });
  ASSERT_THAT(nothing, IsOk());
  ASSERT_THAT(much, IsOk());
  EXPECT_NEAR(static_cast<double>(*much - *nothing), static_cast<double>(kHeld), 0.1 * kHeld);
}

TEST(ChildMemory, PassesTheErrorOfTheBodyOn) {
  EXPECT_THAT(peak_memory_of([] {
                return Status(Error{ErrorCode::kCorrupt, "byte 7"});
              }),
              FailsWith(ErrorCode::kCorrupt, "byte 7"));
}

TEST(ChildMemory, SurvivesABodyThatIsKilled) {
  EXPECT_THAT(peak_memory_of([] {
                std::raise(SIGKILL);
                return Status();
              }),
              FailsWith(ErrorCode::kIo, "signal 9"));
}

}  // namespace
}  // namespace assay::measure
