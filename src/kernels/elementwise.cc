// Splits the row-wise and element-wise operations among threads.
#include "base/check.h"
#include "kernels/kernel_table.h"
#include "kernels/kernels.h"

namespace assay {
namespace {

// Below this many values waking another thread costs more than it saves.
constexpr std::int64_t kValuesPerTask = 8192;

void for_rows(const KernelContext& context, std::int64_t rows, std::int64_t cols,
              const std::function<void(std::int64_t)>& body) {
  if (cols == 0) return;
  const std::int64_t granularity = (kValuesPerTask + cols - 1) / cols;
  context.pool->parallel_for(rows, granularity, [&](WorkRange range) {
    for (std::int64_t r = range.begin; r < range.end; ++r) body(r);
  });
}

template <typename A, typename B>
bool same_shape(const MatrixView<A>& a, const MatrixView<B>& b) {
  return a.rows == b.rows && a.cols == b.cols;
}

}  // namespace

void round_to_halves(const KernelContext& context, MatrixView<const float> x, MatrixView<Float16> out) {
  ASSAY_CHECK(same_shape(x, out));
  for_rows(context, x.rows, x.cols,
           [&](std::int64_t r) { context.table->to_halves(x.row(r), x.cols, &out.row(r)->bits); });
}

void rms_norm(const KernelContext& context, MatrixView<const float> x, std::span<const float> weight,
              float epsilon, MatrixView<float> y) {
  ASSAY_CHECK(same_shape(x, y) && static_cast<std::int64_t>(weight.size()) == x.cols);
  for_rows(context, x.rows, x.cols, [&](std::int64_t r) {
    context.table->rms_norm(x.row(r), weight.data(), x.cols, epsilon, y.row(r));
  });
}

void layer_norm(const KernelContext& context, MatrixView<const float> x, std::span<const float> weight,
                std::span<const float> bias, float epsilon, MatrixView<float> y) {
  ASSAY_CHECK(same_shape(x, y) && static_cast<std::int64_t>(weight.size()) == x.cols);
  ASSAY_CHECK(bias.empty() || bias.size() == weight.size());
  const float* shift = bias.empty() ? nullptr : bias.data();
  for_rows(context, x.rows, x.cols, [&](std::int64_t r) {
    context.table->layer_norm(x.row(r), weight.data(), shift, x.cols, epsilon, y.row(r));
  });
}

void apply_rope(const KernelContext& context, MatrixView<float> x, std::int64_t head_dim,
                std::int64_t rotary_dim, MatrixView<const float> angles) {
  ASSAY_CHECK(head_dim > 0 && x.cols % head_dim == 0 && rotary_dim % 2 == 0 && rotary_dim <= head_dim);
  ASSAY_CHECK(angles.rows == x.rows && angles.cols == rotary_dim);
  for_rows(context, x.rows, x.cols, [&](std::int64_t r) {
    context.table->rope(x.row(r), x.cols / head_dim, head_dim, rotary_dim, angles.row(r));
  });
}

void activate(const KernelContext& context, Activation f, MatrixView<float> x) {
  const ActivateFn function = context.table->activate[static_cast<int>(f)];
  for_rows(context, x.rows, x.cols, [&](std::int64_t r) { function(x.row(r), nullptr, x.cols, x.row(r)); });
}

void gated_activation(const KernelContext& context, Activation f, MatrixView<const float> gate,
                      MatrixView<const float> up, MatrixView<float> out) {
  ASSAY_CHECK(same_shape(gate, up) && same_shape(gate, out));
  const ActivateFn function = context.table->activate[static_cast<int>(f)];
  for_rows(context, gate.rows, gate.cols,
           [&](std::int64_t r) { function(gate.row(r), up.row(r), gate.cols, out.row(r)); });
}

void add_in_place(const KernelContext& context, MatrixView<const float> x, MatrixView<float> y) {
  ASSAY_CHECK(same_shape(x, y));
  for_rows(context, x.rows, x.cols, [&](std::int64_t r) { context.table->add(x.row(r), x.cols, y.row(r)); });
}

}  // namespace assay
