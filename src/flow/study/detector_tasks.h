// What a study does with a detector.
#pragma once
#include "flow/study/study_context.h"

namespace assay {

// Looks at the files and takes their digests; runs nothing yet. Errors: kNotFound for a model, annotations or
// a folder of pictures that is not there, naming what to do. Where inputs may be missing, as llm_tasks.
Result<ModelTasks> detector_tasks(const DetectorSpec& spec, const StudyContext& context);

}  // namespace assay
