// What a study does with a language model.
#pragma once
#include "flow/study/study_context.h"

namespace assay {

// Looks at the files and takes their digests; runs nothing yet. Errors: kNotFound for a model or data that
// are not there, naming what to do.
Result<ModelTasks> llm_tasks(const LlmSpec& spec, const StudyContext& context);

}  // namespace assay
