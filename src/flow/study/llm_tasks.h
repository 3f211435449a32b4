// What a study does with a language model.
#pragma once
#include "flow/study/study_context.h"

namespace assay {

// Looks at the files and takes their digests; runs nothing yet. Errors: kNotFound for a model or data that
// are not there, naming what to do. Where inputs may be missing, those that are count with the size that the
// catalogue knows (rough_sizes.h); kNotFound where it knows none.
Result<ModelTasks> llm_tasks(const LlmSpec& spec, const StudyContext& context);

}  // namespace assay
