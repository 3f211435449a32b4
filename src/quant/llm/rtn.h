// Round to nearest: every group of every row on its own grid. The baseline that needs no calibration.
#pragma once
#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/thread_pool.h"
#include "quant/llm/grid.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

// W [out, in]; group_size >= 1 columns per grid (the last group may be shorter), or -1 for one grid per row.
// importance: `in` finite weights, which kWeighted and kJoint require and the others ignore; may be empty for them.
// Errors: kInvalidArgument for options out of range, kCorrupt for NaN or Inf in W. Same bits for any number of threads.
Result<GroupQuantMatrix> quantize_rtn(MatrixView<const float> w, std::int64_t group_size, const GridOptions& options,
                                      std::span<const float> importance, ThreadPool& pool);

}  // namespace assay
