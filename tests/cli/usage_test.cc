// What every command has in common: help, exit codes, messages.
#include "run_binary.h"
#include "support/testing.h"

namespace assay {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<std::vector<std::string>> kCommands{{"models"},
                                                      {"fetch"},
                                                      {"inspect"},
                                                      {"quantize"},
                                                      {"eval"},
                                                      {"eval", "lambada"},
                                                      {"eval", "perplexity"},
                                                      {"eval", "kl"},
                                                      {"bench"},
                                                      {"generate"},
                                                      {"sensitivity"},
                                                      {"completion"}};

TEST(CommandLine, HelpOfEveryCommandHasAnExampleOfThatCommand) {
  for (auto words : kCommands) {
    std::string command = "assay";
    for (const auto& word : words) command += " " + word;
    words.push_back("--help");
    const RunResult run = run_assay(words);
    EXPECT_EQ(run.exit_code, 0) << command;
    EXPECT_THAT(run.out, HasSubstr("Example: ")) << command;
    EXPECT_THAT(run.out.substr(run.out.find("Example: ")), HasSubstr(command)) << command;
    EXPECT_THAT(run.err, IsEmpty()) << command;
  }
}

TEST(CommandLine, HelpOfTheProgramNamesEveryCommand) {
  const RunResult run = run_assay({"--help"});
  EXPECT_EQ(run.exit_code, 0);
  for (const auto& words : kCommands) EXPECT_THAT(run.out, HasSubstr("\n  " + words[0]));
}

TEST(CommandLine, WrongUsageEndsWith2AndOneLine) {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"unknown"},
      {"inspect"},
      {"inspect", "m", "--no-such-option"},
      {"inspect", "m", "--threads", "0"},
      {"inspect", "m", "--threads", "many"},
      {"inspect", "m", "--tensors", "few"},
      {"inspect", "m", "--kernels", "abacus"},
      {"generate", "m"},
      {"generate", "m", "--prompt", "a", "--top-p", "2"},
      {"generate", "m", "--sequences", "2"},
      {"generate", "m", "--sequences", "2", "-o", "x", "--prompt", "a"},
      {"bench", "m", "-t", "1,x"},
      {"bench", "m", "-t", "0"},
      {"bench", "m", "-p", "0", "-n", "0"},
      {"eval"},
      {"eval", "lambada", "m", "--top-k", ""},
      {"quantize", "m", "--to", "int4"},
      {"quantize", "m", "--to", "int5", "-o", "x"},
      {"quantize", "m", "--to", "float16", "-o", "x"},
      {"quantize", "m", "--to", "int4", "-o", "x", "--sym", "--asym"},
      {"completion", "dos"}};
  for (const auto& words : wrong) {
    const RunResult run = run_assay(words);
    const std::string shown = testing::PrintToString(words);
    EXPECT_EQ(run.exit_code, 2) << shown;
    EXPECT_THAT(run.out, IsEmpty()) << shown;
    EXPECT_THAT(run.err, StartsWith("assay: ")) << shown;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << shown << run.err;
  }
}

TEST(CommandLine, AMissingModelEndsWith1AndIsNamed) {
  const std::vector<std::vector<std::string>> commands{
      {"inspect", "/no/such/model"},
      {"generate", "/no/such/model", "--prompt", "a"},
      {"bench", "/no/such/model"},
      {"eval", "lambada", "/no/such/model"},
      {"quantize", "/no/such/model", "--to", "int4", "-o", "/no/out"}};
  for (auto words : commands) {
    for (const bool json : {false, true}) {
      if (json) words.insert(words.end(), {"--json", "-"});
      const RunResult run = run_assay(words);
      EXPECT_EQ(run.exit_code, 1) << words[0];
      EXPECT_THAT(run.out, IsEmpty()) << words[0];
      EXPECT_THAT(run.err, StartsWith("assay: /no/such/model: ")) << words[0];
      EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << words[0];
    }
  }
}

TEST(CommandLine, RefusesAnUnwritableJsonFileBeforeTheWork) {
  const TempDir folder;
  const std::string path = (folder / "no-such-folder/out.json").string();
  const RunResult run = run_assay({"models", "--json", path});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr(path));
  EXPECT_THAT(run.out, IsEmpty());
}

TEST(CommandLine, SaysItsVersion) {
  const RunResult run = run_assay({"--version"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, StartsWith("assay "));
}

TEST(CommandLine, CompletionKnowsCommandsAndTheirOptions) {
  const RunResult run = run_assay({"completion", "bash"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("\"assay eval lambada\") words=\""));
  EXPECT_THAT(run.out, HasSubstr("--top-k"));
  EXPECT_THAT(run.out, EndsWith("complete -o filenames -F _assay assay\n"));
}

TEST(Manual, HasEveryCommandWithItsOptions) {
  const RunResult run = run_assay({"manual"});
  ASSERT_EQ(run.exit_code, 0);
  for (const char* part : {".SS assay quantize", ".SS assay eval lambada", ".SS assay run", "\\-\\-least\\-snr", ".SH EXIT STATUS"})
    EXPECT_THAT(run.out, HasSubstr(part));
}

TEST(Manual, IsTakenByGroffWithoutAWarning) {
  if (std::system("command -v groff >/dev/null") != 0) GTEST_SKIP() << "needs groff";
  const TempDir folder;
  write_bytes(folder / "assay.1", run_assay({"manual"}).out);
  const std::string command = "groff -man -ww -Tutf8 " + (folder / "assay.1").string() + " 2>" +
                              (folder / "warnings").string() + " >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_bytes(folder / "warnings"), "");
}

}  // namespace
}  // namespace assay
