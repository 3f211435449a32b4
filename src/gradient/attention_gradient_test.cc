#include "gradient/attention_gradient.h"

#include <cblas.h>

#include <algorithm>

#include "base/rng.h"
#include "gradient/gradient_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

class AttentionGradient : public testing::TestWithParam<AttentionShape> {};

TEST_P(AttentionGradient, EqualsCentralDifferencesAcrossBlocksOfQueries) {
  openblas_set_num_threads(1);
  const AttentionShape shape = GetParam();
  constexpr std::int64_t kLength = 150;  // more than one block of queries
  ThreadPool pool(2);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  const std::int64_t q_dim = shape.num_heads * shape.head_dim, kv_dim = shape.num_kv_heads * shape.head_dim;
  const Matrix<float> q = normal_matrix(kLength, q_dim, kGradientSeed),
                      k = normal_matrix(kLength, kv_dim, kGradientSeed + 1),
                      v = normal_matrix(kLength, kv_dim, kGradientSeed + 2),
                      dout = normal_matrix(kLength, q_dim, kGradientSeed + 3);
  Matrix<float> dq(kLength, q_dim), dk(kLength, kv_dim), dv(kLength, kv_dim);
  const AttentionGradientTask task{q.view(),  k.view(),  v.view(), dout.view(),
                                   dq.view(), dk.view(), dv.view()};
  attention_gradient(kernels, shape, {&task, 1});

  DoubleMatrix args[] = {to_double(q), to_double(k), to_double(v)};
  const Matrix<float>* gradients[] = {&dq, &dk, &dv};
  const auto loss = [&] { return weighted_sum(dout, reference_attention(shape, args[0], args[1], args[2])); };
  Rng rng(kGradientSeed);
  for (std::size_t a = 0; a < 3; ++a) {
    double largest = 0;
    for (const float g : gradients[a]->values())
      largest = std::max(largest, std::abs(static_cast<double>(g)));
    for (int i = 0; i < 12; ++i) {
      const auto t = static_cast<std::size_t>(rng.below(kLength)),
                 c = static_cast<std::size_t>(rng.below(args[a][0].size()));
      const double expected = central_difference(args[a][t][c], loss);
      // Sums of at most kLength terms, twice, and the softmax's few units.
      EXPECT_NEAR(gradients[a]->at(static_cast<std::int64_t>(t), static_cast<std::int64_t>(c)), expected,
                  64 * 0x1p-24 * largest)
          << "argument " << a << ", seed " << kGradientSeed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionGradient,
                         testing::Values(AttentionShape{4, 2, 8, 0.35f, 0, 0},
                                         AttentionShape{2, 2, 8, 0.35f, 0, 20},
                                         AttentionShape{2, 1, 8, 0.35f, 3.0f, 0}));

}  // namespace
}  // namespace assay
