// Rotates the residual stream of a model: an orthogonal matrix goes into what writes the stream and,
// transposed, into what reads it, so the model computes what it did but for rounding, and no one who runs it
// needs to know. Values that stand out in few channels are spread over all of them. Sources: QuaRot
// (arXiv:2404.00456, section 4, stage 1a), SliceGPT (arXiv:2401.15024, section 3: RMS norms let an orthogonal
// matrix pass).
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "kernels/kernels.h"

namespace assay {

// R = T S: S are signs, the same ones for a size at all times; T is Hadamard's matrix of the largest power of
// two in `size` crossed with Hartley's of the odd rest, over sqrt(size), so no entry is larger than sqrt(2 /
// size). Immutable.
class StreamRotation {
 public:
  explicit StreamRotation(std::int64_t size);

  // R x in place; x has `size` values, `stride` apart. In double, each rounded to float once. `work`: scratch
  // memory of the calling thread.
  void apply(float* x, std::int64_t stride, std::vector<double>& work) const;

 private:
  std::int64_t odd_;             // size = odd_ * a power of two
  std::vector<double> signs_;    // (size), over sqrt(size)
  std::vector<double> hartley_;  // (odd_, odd_): cos + sin
};

// The weights of the norms move into the matrices that read them and become 1; then all matrices of the
// blocks, the embedding and the head are rotated. An embedding that is the head as well becomes two matrices,
// since the last norm's weight goes into the head alone: the model grows by one. Matrices become float32 in
// memory of their own, each value rounded at most twice. Errors: those of check_rotatable, and the model is
// as it was.
Status rotate_residual_stream(LanguageModel& model, const KernelContext& kernels);

// kUnsupported where a family's norms are not RMS norms before the matrices alone (Gemma 2 and 3 have others
// behind them), or a matrix is quantized already.
Status check_rotatable(const LanguageModel& model);

}  // namespace assay
