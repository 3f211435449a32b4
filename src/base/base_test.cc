#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <vector>

#include "base/atomic_file.h"
#include "base/bytes.h"
#include "base/cpu_features.h"
#include "base/heap.h"
#include "base/huge_bytes.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "support/testing.h"

namespace assay {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd"};
  return value / 2;
}
Result<int> quarter(int value) {
  ASSAY_TRY(const int once, half(value));
  return half(once);
}

TEST(Result, TryPassesTheFirstErrorUp) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_THAT(quarter(6), FailsWith(ErrorCode::kInvalidArgument, "odd"));
}

TEST(Error, ContextComesBeforeTheMessage) {
  EXPECT_EQ((Error{ErrorCode::kCorrupt, "bad length"}.with_context("a.gguf").message), "a.gguf: bad length");
}

TEST(ByteReader, RefusesToReadPastTheEndAndNamesTheField) {
  ByteReader reader(as_bytes("abc"));
  EXPECT_THAT(reader.read<std::uint16_t>("magic"), IsOk());
  EXPECT_THAT(reader.read<std::uint32_t>("version"), FailsWith(ErrorCode::kCorrupt, "version: needs 4 bytes at offset 2"));
}

TEST(AtomicFile, LeavesTheOldContentWhenItIsNotCommitted) {
  TempDir dir;
  ASSERT_THAT(write_file_atomically(dir / "x", "old"), IsOk());
  {
    auto file = AtomicFile::create(dir / "x");
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->write("new"), IsOk());
  }
  EXPECT_EQ(read_bytes(dir / "x"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(AtomicFile, ReportsAFullDiskAndLeavesNothingBehind) {
  TempDir dir;
  const FullDisk full(4096);
  EXPECT_THAT(write_file_atomically(dir / "x", std::string(10000, 'q')), FailsWith(ErrorCode::kIo, "cannot write"));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(AtomicFile, NamesAFolderThatDoesNotExist) {
  EXPECT_THAT(write_file_atomically("/nonexistent/x", "q"), FailsWith(ErrorCode::kIo, "/nonexistent/x: cannot create"));
}

TEST(MappedFile, ShowsTheBytesOfTheFileAlsoAfterRelease) {
  TempDir dir;
  const std::string content(10000, 'q');
  write_bytes(dir / "x", content);
  auto mapped = MappedFile::open(dir / "x");
  ASSERT_THAT(mapped, IsOk());
  mapped->release(mapped->bytes());
  EXPECT_EQ(as_text(mapped->bytes()), content);
}

TEST(MappedFile, SaysWhichFileIsMissing) {
  EXPECT_THAT(MappedFile::open("/nonexistent/model"), FailsWith(ErrorCode::kNotFound, "/nonexistent/model"));
  EXPECT_THAT(MappedFile::open("/tmp"), FailsWith(ErrorCode::kIo, "regular file"));
}

TEST(ThreadPool, VisitsEveryIndexOnceForAnyCountAndGranularity) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (std::int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (std::int64_t granularity : {1, 3, 64}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
        pool.parallel_for(count, granularity, [&](WorkRange range) {
          for (std::int64_t i = range.begin; i < range.end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (const auto& visit : visits) ASSERT_EQ(visit, 1) << count << " " << granularity << " " << threads;
      }
    }
  }
}

TEST(ThreadPool, TakesEveryTurnOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (std::int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      pool.take_turns(count, [&](std::int64_t i, int) { ++visits[static_cast<std::size_t>(i)]; });
      for (const auto& visit : visits) ASSERT_EQ(visit, 1) << count << " " << threads;
    }
  }
}

TEST(ThreadPool, GivesTheTurnsOfAThreadThatWaitsToTheOthers) {
  ThreadPool pool(2);
  std::atomic<int> done{0};
  pool.take_turns(8, [&](std::int64_t i, int) {
    // Ends only because somebody else takes all other turns meanwhile.
    while (i == 0 && done.load() < 7) std::this_thread::yield();
    ++done;
  });
  EXPECT_EQ(done, 8);
}

TEST(ThreadPool, CountsTheCallsForWhichThreadsMeet) {
  ThreadPool pool(2), alone(1);
  const auto nothing = [](WorkRange) {};
  for (ThreadPool* each : {&pool, &alone}) {
    each->parallel_for(0, 1, nothing);
    each->parallel_for(8, 8, nothing);  // one part: the calling thread takes it
    each->parallel_for(8, 4, nothing);
    each->parallel_for(8, 1, nothing);
  }
  EXPECT_EQ(pool.meetings(), 2u);
  EXPECT_EQ(alone.meetings(), 0u);
}

TEST(KeepFreedMemory, GivesBlocksAgainWithoutNewPages) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  keep_freed_memory();
  const auto faults_of_a_round = [] {
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    std::vector<std::unique_ptr<char[]>> blocks;
    for (int i = 0; i < 8; ++i) {
      blocks.push_back(std::make_unique_for_overwrite<char[]>(8 << 20));
      for (int at = 0; at < (8 << 20); at += 4096) blocks.back()[at] = 1;
    }
    blocks.clear();
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
  };
  faults_of_a_round();
  EXPECT_LT(faults_of_a_round(), 1000) << "of 16384 pages";
}

TEST(HugeBytes, AreZeroAlignedToAHugePageAndWritable) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{5} << 20}) {
    auto bytes = HugeBytes::allocate(size);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(bytes->size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes->data()) % (2u << 20), 0u);
    EXPECT_TRUE(std::all_of(bytes->data(), bytes->data() + size, [](std::uint8_t byte) { return byte == 0; }));
    bytes->data()[size - 1] = 7;
    const HugeBytes moved = std::move(*bytes);
    EXPECT_EQ(moved.data()[size - 1], 7);
    EXPECT_EQ(bytes->data(), nullptr) << "what was moved away is left empty";
  }
}

TEST(HugeBytes, SayThatThereIsNotEnoughMemory) {
  EXPECT_THAT(HugeBytes::allocate(UINT64_MAX), FailsWith(ErrorCode::kResourceLimit, "no memory for"));
  EXPECT_THAT(HugeBytes::allocate(std::uint64_t{1} << 60), FailsWith(ErrorCode::kResourceLimit, "no memory for"));
}

TEST(Rng, GivesTheSameNumbersForASeedEverywhere) {
  Rng rng(42);
  EXPECT_EQ(rng.next(), 13679457532755275413ULL);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) sum += rng.normal();
  EXPECT_LT(std::abs(sum / 10000), 5.0 / std::sqrt(10000.0));  // five standard errors of the mean
}

TEST(CpuFeatures, NamesWhatItFound) {
  CpuFeatures none;
  EXPECT_EQ(to_string(none), "none");
  EXPECT_FALSE(to_string(detect_cpu_features()).empty());
}

}  // namespace
}  // namespace assay
