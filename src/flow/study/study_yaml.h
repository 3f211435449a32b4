// Studies as people write them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/study/study_spec.h"

namespace assay {

// Line and column count from 1; 0 where the mistake is of the whole file.
struct StudyProblem {
  int line = 0, column = 0;
  std::string message;  // with the key meant, what was expected, and an example
};

struct ParsedStudy {
  StudySpec spec;                      // whole where there are no problems
  std::vector<StudyProblem> problems;  // all of them, in the order of the file
};

// Paths in the file are relative to `folder`; nothing on disk is looked at. Never fails: what is wrong is in
// `problems`, a file that is no YAML among it.
ParsedStudy parse_study(std::string_view yaml, const std::filesystem::path& folder);

// One line per problem: "FILE:LINE:COLUMN: MESSAGE".
std::string problems_text(const std::string& file, const std::vector<StudyProblem>& problems);

}  // namespace assay
