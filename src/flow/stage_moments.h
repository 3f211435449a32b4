// Sums over the calibration set what the solvers of the layers of one stage want to know.
#pragma once
#include <optional>
#include <span>

#include "base/result.h"
#include "base/thread_pool.h"
#include "engine/forward.h"
#include "quant/llm/cross_moment.h"
#include "quant/llm/hessian.h"
#include "quant/llm/target.h"

namespace assay {

// Second moments of the inputs and, with a float stream beside, of what they lack. Not thread safe.
class StageMoments {
 public:
  // inputs: width of the layers' input. residual_outputs: outputs of the layer whose result is added to the residual stream,
  // whose own drift it shall make up for; nothing: no such layer.
  StageMoments(std::int64_t inputs, bool with_float_stream, std::optional<std::int64_t> residual_outputs);

  // Rows of the quantized stream alone. REQUIRES: made without a float stream.
  void add(const BlockState& quantized, ThreadPool& pool);
  // Rows of both streams at the same stage. weights: by which each row's error counts, or empty: all alike.
  // REQUIRES: made with a float stream.
  void add(const BlockState& quantized, const BlockState& reference, std::span<const float> weights, ThreadPool& pool);

  bool empty() const { return gram_.num_rows() == 0; }
  // Errors: kInvalidArgument when nothing was added.
  Result<LayerMoments> moments() const;

 private:
  GramAccumulator gram_;
  std::optional<CrossMomentAccumulator> drift_, residual_;
};

}  // namespace assay
