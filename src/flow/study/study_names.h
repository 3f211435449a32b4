// Which of the names that a study uses still have to be fetched.
#pragma once
#include <vector>

#include "flow/fetch/catalog.h"
#include "flow/study/study_spec.h"

namespace assay {

// Each once, in the order of the study. Paths, and names that the catalog does not know, are not its
// business: run_study tells of those. Errors: those of catalog_item but for unknown names.
Result<std::vector<CatalogItem>> missing_names(const StudySpec& spec);

}  // namespace assay
