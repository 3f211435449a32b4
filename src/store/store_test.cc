#include "store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "support/testing.h"

namespace assay::store {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Measurement measurement(const std::string& variant, int round = 0) {
  Measurement made;
  made.subject = {Task::kLlm, "tiny", variant, "throughput", round, {{"threads", 2}}};
  made.figures = {{"tokens_per_second", 12.5}, {"name", "\"quoted\" \xC3\xA9"}};
  made.environment = {{"cpu", "test"}};
  made.command = "assay run x.yaml";
  made.started = made.finished = "2026-01-31T12:00:00Z";
  return made;
}

std::vector<std::string> variants(const std::vector<Measurement>& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.push_back(row.subject.variant);
  return names;
}

TEST(Subject, HasAnotherKeyWhenAnyFieldIsAnother) {
  const Subject subject{Task::kLlm, "m", "int8", "accuracy", 1, {{"a", 1}}};
  Subject other = subject;
  EXPECT_EQ(other.key(), subject.key());
  for (const auto& change : std::vector<std::function<void(Subject&)>>{
           [](Subject& s) { s.task = Task::kDetector; }, [](Subject& s) { s.model = "n"; },
           [](Subject& s) { s.variant = "int4"; }, [](Subject& s) { s.kind = "latency"; },
           [](Subject& s) { s.round = 2; }, [](Subject& s) { s.settings["a"] = 2; }}) {
    other = subject;
    change(other);
    EXPECT_NE(other.key(), subject.key());
  }
}

TEST(Store, GivesBackWhatWasAdded) {
  const TempDir folder;
  auto store = Store::open(folder / "study");
  ASSERT_THAT(store, IsOk());
  const Measurement added = measurement("int8");
  ASSERT_THAT(store->add(added), IsOk());
  const auto found = store->find(added.subject.key());
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->figures, added.figures);
  EXPECT_EQ((*found)->environment, added.environment);
  EXPECT_EQ((*found)->subject.key(), added.subject.key());
  EXPECT_EQ((*found)->command, added.command);
}

TEST(Store, RefusesTheSameMeasurementTwice) {
  const TempDir folder;
  auto store = Store::open(folder / "study");
  ASSERT_THAT(store, IsOk());
  ASSERT_THAT(store->add(measurement("int8")), IsOk());
  EXPECT_THAT(store->add(measurement("int8")), FailsWith(ErrorCode::kInvalidArgument, "UNIQUE"));
  EXPECT_EQ(store->all()->size(), 1u);
}

TEST(Store, ListsThePlanInItsOrderAndLeavesOutTheRest) {
  const TempDir folder;
  auto store = Store::open(folder / "study");
  ASSERT_THAT(store, IsOk());
  for (const char* variant : {"int8", "int4", "int2"}) ASSERT_THAT(store->add(measurement(variant)), IsOk());
  EXPECT_THAT(variants(*store->planned()), testing::ElementsAre("int8", "int4", "int2"));
  ASSERT_THAT(store->set_plan({measurement("int2").subject.key(), measurement("float").subject.key(),
                               measurement("int8").subject.key()},
                              {{"title", "T"}}),
              IsOk());
  EXPECT_THAT(variants(*store->planned()), testing::ElementsAre("int2", "int8"));
  EXPECT_EQ((*store->study())["title"], "T");
}

TEST(Store, SaysSoWhereAnotherOneHoldsTheFolder) {
  const TempDir folder;
  const auto first = Store::open(folder / "study");
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Store::open(folder / "study"), FailsWith(ErrorCode::kUnsupported, "another assay process"));
}

TEST(Store, CanBeReadWhileAnotherOneHoldsTheFolder) {
  const TempDir folder;
  auto first = Store::open(folder / "study");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->add(measurement("int8")), IsOk());
  auto reader = Store::open_to_read(folder / "study");
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->all()->size(), 1u);
}

TEST(Store, KeepsADamagedFileAside) {
  const TempDir folder;
  fs::create_directory(folder / "study");
  std::ofstream(folder / "study" / kFileName) << std::string(8192, 'x');
  auto store = Store::open(folder / "study");
  ASSERT_THAT(store, IsOk());
  ASSERT_TRUE(store->set_aside().has_value());
  EXPECT_EQ(fs::file_size(*store->set_aside()), 8192u);
  EXPECT_EQ(store->all()->size(), 0u);
}

TEST(Store, DoesNotReadADamagedFile) {
  const TempDir folder;
  std::ofstream(folder / kFileName) << std::string(8192, 'x');
  EXPECT_THAT(Store::open_to_read(folder.path()), FailsWith(ErrorCode::kCorrupt, kFileName));
  EXPECT_EQ(fs::file_size(folder / kFileName), 8192u);
}

TEST(Store, SaysThatAFolderHasNoRecords) {
  const TempDir folder;
  EXPECT_THAT(Store::open_to_read(folder.path()), FailsWith(ErrorCode::kNotFound, "assay run"));
}

TEST(Store, LosesNothingThatWasAddedWhenItsProcessIsKilled) {
  const TempDir folder;
  for (int round = 0; round < 50; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = Store::open(folder / "study");
      if (store && store->add(measurement("int8", round))) raise(SIGKILL);
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round;
  }
  auto store = Store::open(folder / "study");
  ASSERT_THAT(store, IsOk());
  EXPECT_FALSE(store->set_aside().has_value());
  EXPECT_EQ(store->all()->size(), 50u);
}

}  // namespace
}  // namespace assay::store
