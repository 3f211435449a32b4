// A group's scale, zero and codes anew, given all other groups: neighbouring zeros and scales are tried, the codes of each follow by
// coordinate descent inside of the group, the scale by least squares, and the best of them replaces what was there if it is better.
// Sources: decoupleQ, arXiv:2404.12759 (alternation), QuantEase, arXiv:2309.01885 (descent), joined per group.
#pragma once
#include "quant/llm/quant_panel.h"

namespace assay {

// All groups, one after another. No row gets worse. REQUIRES: h [in, in] symmetric and positive semidefinite.
void refit_groups(QuantPanel& panel, MatrixView<const float> h);

}  // namespace assay
