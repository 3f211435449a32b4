// The slides: one message each, its title chosen by the findings.
#pragma once
#include <vector>

#include "report/figure.h"
#include "report/findings.h"

namespace assay::report {

// {title, kind: "title"|"bullets"|"figure"|"pictures", figures: [ids], bullets: [text], note}. Texts are
// plain.
std::vector<Json> make_slides(const Study& study, const std::vector<Figure>& figures);

}  // namespace assay::report
