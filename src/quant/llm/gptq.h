// GPTQ (Frantar et al., arXiv:2210.17323): columns are quantized one after another, and each column's error is spread over the
// columns that follow so that the error of the layer's outputs, (W - Q) H (W - Q)^T, stays small.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "quant/llm/grid.h"
#include "quant/llm/layer_error.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

// The order in which columns are quantized.
enum class ColumnOrder : std::uint8_t {
  kNatural,
  kActivation,  // by the diagonal of H, descending ("act-order", desc_act)
  kGroupAware,  // groups by their largest diagonal value, columns within each group by theirs, both descending: groups stay
                // groups of neighbouring inputs, so that it costs nothing at run time (GPTQModel's default)
};

struct GptqOptions {
  GridOptions grid;
  std::int64_t group_size = 128;  // columns per grid; -1: the whole row
  ColumnOrder order = ColumnOrder::kGroupAware;
  bool static_groups = false;     // grids from the original weights of neighbouring inputs, found before the first update
  double damp = 0.05;             // added to H's diagonal, in units of its mean; > 0
  std::int64_t block_size = 128;  // columns between two updates of the whole matrix: speed only
};

// What depends on H alone, shared by all matrices that read the same input (q, k, v; gate, up). H is borrowed: it must
// outlive the factor unchanged.
struct HessianFactor {
  MatrixView<const float> h;
  ColumnOrder ordering = ColumnOrder::kNatural;
  std::int64_t columns_per_group = 1;     // of the options, at most `in`
  std::vector<std::int32_t> order;        // [in]: position -> input column
  Matrix<float> upper;                    // [in, in] U, upper triangular, U^T U = (H + damping)^-1 up to one factor, in `order`
  std::vector<float> diagonal;            // [in]: of H, by input column
  std::vector<std::int32_t> dead;         // input columns that were 0 in every sample, ascending
  double damp_used = 0;                   // in units of the mean of the live diagonal
  int damp_retries = 0;                   // how often it was raised because H was not positive definite
};

struct GptqResult {
  GroupQuantMatrix matrix;                 // [out, in]
  std::vector<std::int32_t> column_order;  // column j of `matrix` stands for input column_order[j]; empty: j itself
  double damp_used = 0;
  int damp_retries = 0;
  LayerError error;                        // of the result against the W given, measured with H
};

// kInvalidArgument naming the option that is out of range: damp within (0, 1], block_size 1 to 4096, and the grid's.
Status check_gptq_options(const GptqOptions& options);

// Takes order, group_size, static_groups and damp of the options. H [in, in] symmetric; only the upper triangle is read.
// Where H + damping is not positive definite, damping grows tenfold until it is; kCorrupt when it would exceed 1000 times the mean.
// Dead columns (H_ii == 0) count as independent inputs of mean strength, so the result does not depend on H's scale.
// Errors: kInvalidArgument for options out of range and for H that is 0 everywhere; kCorrupt for NaN, Inf or a negative
// diagonal. REQUIRES: H is square; use_single_threaded_blas() was called.
Result<HessianFactor> prepare_hessian(MatrixView<const float> h, const GptqOptions& options);

// W [out, in], not changed. Dead columns become 0. Grids are found when a group is reached, from weights that carry every update
// of earlier columns (IST-DASLab's code misses those of the same block), or beforehand with static_groups.
// column_order is empty unless order is kActivation, groups are not static and there is more than one group.
// Errors: kInvalidArgument for options out of range, kCorrupt for NaN or Inf in W.
// Determinism: same bits for any number of threads on one kind of processor (OpenBLAS has other kernels, with other roundings,
// for others). REQUIRES: W.cols == factor.h.cols; order and, for kGroupAware, group_size as given to prepare_hessian.
Result<GptqResult> quantize_gptq(MatrixView<const float> w, const HessianFactor& factor, const GptqOptions& options,
                                 ThreadPool& pool);

// The same where scales and zeros are given and codes alone are sought: those of `grids`, whose codes are not looked at and whose
// columns are those of W. Of options only bits and block_size are read. REQUIRES: grids of W's shape and of options.grid.bits.
Result<GptqResult> quantize_gptq_on_grids(MatrixView<const float> w, const HessianFactor& factor, const GroupQuantMatrix& grids,
                                          const GptqOptions& options, ThreadPool& pool);

}  // namespace assay
