#include "flow/run_program.h"

#include "support/testing.h"

namespace assay {
namespace {

TEST(RunProgram, GivesTheProgramItsArgumentsAsTheyAre) {
  const TempDir folder;
  const std::string odd = (folder / "a b;$HOME'\"*").string();
  EXPECT_THAT(run_program({"touch", odd}), IsOk());
  EXPECT_TRUE(std::filesystem::exists(odd));
}

TEST(RunProgram, TellsWhatAFailingProgramSaidLast) {
  EXPECT_THAT(run_program({"sh", "-c", "echo first; echo why it failed >&2; echo; exit 7"}),
              FailsWith(ErrorCode::kIo, "(exit code 7): why it failed"));
}

TEST(RunProgram, TellsWhichSignalEndedIt) {
  EXPECT_THAT(run_program({"sh", "-c", "kill -KILL $$"}), FailsWith(ErrorCode::kIo, "signal 9"));
}

TEST(RunProgram, NamesAProgramThatDoesNotExist) {
  EXPECT_THAT(run_program({"no-such-program-anywhere"}),
              FailsWith(ErrorCode::kNotFound, "no-such-program-anywhere"));
}

TEST(RunProgram, SurvivesALotOfOutput) {
  EXPECT_THAT(run_program({"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1"}),
              FailsWith(ErrorCode::kIo, ": end"));
}

}  // namespace
}  // namespace assay
