// The operations of a transformer's forward pass over float activations, and the choice of the instruction
// set. Every operation exists as a plain reference in <op>_ref.cc and beside it for each instruction set; the
// table is chosen once and passed along, so there is no global state. docs/numerics.md derives the bounds
// named here.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "tensor/group_quant.h"
#include "tensor/matrix.h"

namespace assay {

struct KernelTable;  // kernels/kernel_table.h: the functions of one instruction set

// The names of the tables that run with `features`, the reference first, the fastest last: "reference",
// "avx2", "avx512", "avx512vnni", "avx512bf16", "amx", "neon".
std::vector<std::string_view> kernel_names(const CpuFeatures& features);
// Their tables, which live as long as the program. REQUIRES: features that this processor has: filling the
// table of an instruction set may already use it.
std::vector<const KernelTable*> runnable_kernels(const CpuFeatures& features);
// The fastest of them.
const KernelTable& select_kernels(const CpuFeatures& features);
std::string_view name(const KernelTable& table);

// How a linear layer sees its input.
enum class Activations {
  kFloat,  // as it is: the figures of quality are made with this
  // Rounded to 8 bits where that makes the product faster. Repacked weights (WeightView::packed): to integers
  // per 32 columns, or 64 where these lie in one group, on every table; input beyond 2^110 may overflow. One
  // row times ggml's super-blocks: the same, on "avx512vnni" and "avx512bf16". Many rows times bfloat16
  // weights of an even number of columns: to bfloat16, on "avx512bf16". Everywhere else the same as kFloat.
  // For generation.
  kRounded,
};

// What every operation needs; cheap to copy. Borrows both; an operation uses all threads of the pool.
// Thread safety: one operation at a time per pool.
struct KernelContext {
  const KernelTable* table;
  ThreadPool* pool;
  Activations activations = Activations::kFloat;
};

// y[t, r] = bias[r] + sum_c W[r, c] * x[t, c].
// Shapes:   W (rows, cols), x (T, cols), y (T, rows), bias (rows) or empty. T >= 0.
// Aliasing: y overlaps nothing. Alignment: none required.
// Numerics: |y - exact| <= (cols + 4) * 2^-24 * (|bias| + sum_c |W x|), W the dequantized value rounded to
// float (as
//           dequantize_row gives it). kRounded adds for packed weights, over the groups of 32 or 64 columns,
//           max|x| / 254 * sum |W|, and float rounding of sums in which codes and zero points are apart:
//           docs/numerics.md#int8; for bfloat16 weights 2^-8 * sum_c |W x|: docs/numerics.md#bfloat16.
// Determinism: the same bits for any number of threads. A row of y does not depend on the other rows of x,
// nor, for kFloat, on
//           T, except that T == 1 sums in another order than T > 1. Tables differ in the last bits.
// A NaN or an infinity in a row of x makes all of that row of y NaN or infinite, and no other row.
void linear(const KernelContext& context, const WeightView& weight, MatrixView<const float> x,
            std::span<const float> bias, MatrixView<float> y);

// One of several layers that read the same input; x, y and bias as above.
struct LinearLayer {
  WeightView weight;
  std::span<const float> bias;
  MatrixView<float> y;
};
// linear() of every layer, in the same bits. Repacked ones share the rounding of x and meet the threads once.
void linear_layers(const KernelContext& context, std::span<const LinearLayer> layers,
                   MatrixView<const float> x);

// out[c] = W[row, c] as float, for all columns. Dense blocks give ggml's values bit for bit; group-quantized
// gives float(scale) * (code - zero), rounded once.
void dequantize_row(const KernelTable& table, const WeightView& weight, std::int64_t row,
                    std::span<float> out);
// Of all rows.
Matrix<float> dequantize(const KernelContext& context, const WeightView& weight);

// y[t, c] = x[t, c] / sqrt(mean_c x[t, c]^2 + epsilon) * weight[c]; y may be x. weight (cols).
// Numerics: |y - exact| <= (cols / 2 + 6) * 2^-24 * |exact|.
void rms_norm(const KernelContext& context, MatrixView<const float> x, std::span<const float> weight,
              float epsilon, MatrixView<float> y);

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, per row; y may be x. bias may be empty.
// Numerics: docs/numerics.md#norms.
void layer_norm(const KernelContext& context, MatrixView<const float> x, std::span<const float> weight,
                std::span<const float> bias, float epsilon, MatrixView<float> y);

// Rotates, in place, the first rotary_dim values of each head: for i < rotary_dim / 2,
//   (x[i], x[i + rotary_dim/2]) <- (x[i] cos - x[i + rotary_dim/2] sin, x[i + rotary_dim/2] cos + x[i] sin).
// x (T, num_heads * head_dim); angles (T, rotary_dim): per row rotary_dim / 2 cosines, then as many sines.
// Numerics: each result within 2.01 * 2^-24 of the sum of its two products' magnitudes.
void apply_rope(const KernelContext& context, MatrixView<float> x, std::int64_t head_dim,
                std::int64_t rotary_dim, MatrixView<const float> angles);

enum class Activation { kSilu, kGeluTanh, kGeluErf, kRelu };

// x[t, c] = f(x[t, c]) in place. Numerics: within 4 ulp of the real function + 2^-24 |x|, for finite x; NaN
// stays NaN. The same bits wherever a value stands.
void activate(const KernelContext& context, Activation f, MatrixView<float> x);
// out[t, c] = f(gate[t, c]) * up[t, c]; out may be gate or up.
void gated_activation(const KernelContext& context, Activation f, MatrixView<const float> gate,
                      MatrixView<const float> up, MatrixView<float> out);

// Keys or values of consecutive positions, borrowed: rows of floats or of IEEE halves.
struct KvView {
  MatrixView<const float> floats;
  MatrixView<const Float16> halves;  // where floats.data is null

  KvView() = default;
  KvView(MatrixView<const float> values) : floats(values) {}    // NOLINT
  KvView(MatrixView<const Float16> values) : halves(values) {}  // NOLINT
  bool are_halves() const { return floats.data == nullptr; }
  std::int64_t rows() const { return are_halves() ? halves.rows : floats.rows; }
  std::int64_t cols() const { return are_halves() ? halves.cols : floats.cols; }
  std::int64_t value_bytes() const { return are_halves() ? sizeof(Float16) : sizeof(float); }
};

// out[r, c] = the nearest IEEE half of x[r, c], ties to even; beyond the largest half, that. NaN stays NaN.
// Same bits for every instruction set. Same shape; out overlaps nothing.
void round_to_halves(const KernelContext& context, MatrixView<const float> x, MatrixView<Float16> out);

// Causal attention of one sequence. Query i stands at position keys.rows() - queries.rows + i and sees the
// keys at positions p with own - window < p <= own (window 0: all p <= own).
struct AttentionTask {
  MatrixView<const float> queries;  // (T, num_heads * head_dim)
  KvView keys;                      // (P, num_kv_heads * head_dim), P >= T
  KvView values;                    // (P, num_kv_heads * head_dim)
  MatrixView<float> out;            // (T, num_heads * head_dim)
};
struct AttentionShape {
  std::int64_t num_heads;
  std::int64_t num_kv_heads;  // divides num_heads; head h reads kv head h / (num_heads / num_kv_heads)
  std::int64_t head_dim;
  float scale;        // of the scores q.k; > 0
  float softcap = 0;  // scores become softcap * tanh(score / softcap); 0: no
  std::int64_t window = 0;
};
// out = softmax(mask(softcap(scale * Q K^T))) V for every task; the tasks are independent of each other, also
// in their bits, which do not depend on the number of threads either; nor do those of a query on the others,
// except that T == 1 sums in another order than T > 1: the latter goes by blocks of keys, in memory that does
// not grow with P. Halves give the bits that the floats of their values give. out overlaps nothing. A NaN
// among keys reaches the queries that see it; one among values may reach all queries of its task. Numerics:
// docs/numerics.md#attention.
void attention(const KernelContext& context, const AttentionShape& shape,
               std::span<const AttentionTask> tasks);

// y += x, element by element; same shape.
void add_in_place(const KernelContext& context, MatrixView<const float> x, MatrixView<float> y);

}  // namespace assay
