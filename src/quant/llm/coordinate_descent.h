// Coordinate descent on the codes: each code in turn takes the value that is best given all others, with the exact objective
// (Q - W) H (Q - W)^T, so that no sweep makes a row worse. Sources: QuantEase, arXiv:2309.01885; CDQuant, arXiv:2406.17542.
#pragma once
#include "quant/llm/quant_panel.h"

namespace assay {

// One sweep over all columns. Returns how many codes changed; 0: no single change of a code makes a row better.
// Columns whose diagonal of H is 0 stay as they are. REQUIRES: h [in, in] symmetric and positive semidefinite.
std::int64_t descend(QuantPanel& panel, MatrixView<const float> h);

// The same for columns [begin, begin + gradient.rows) of one group, whose slope is `gradient`, kept up to date for these columns
// alone. code, delta [columns, rows]: delta takes the changes of the values on top of what it holds.
// scale: [rows], of the group.
void descend_in_group(MatrixView<const float> h, std::int64_t begin, const float* scale, int bits,
                      MatrixView<float> code, MatrixView<float> gradient, MatrixView<float> delta);

}  // namespace assay
