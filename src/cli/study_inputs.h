// The models and data that a study names and this machine does not have yet.
#pragma once
#include "cli/command_line.h"
#include "flow/study/study_spec.h"

namespace assay::cli {

enum class MissingInputs {
  kFail,   // kNotFound: a line for each, with how to fetch it, its size and its place
  kTell,   // the same as output
  kFetch,  // they are brought
};

// What the program makes itself is made, but for kTell. What is still missing, a list of {name,
// download_bytes, path}. Errors besides: those of missing_names and fetch_by_name.
Result<nlohmann::ordered_json> provide_inputs(const StudySpec& spec, MissingInputs missing, Session& session);

}  // namespace assay::cli
