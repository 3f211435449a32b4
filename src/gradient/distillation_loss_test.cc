#include "gradient/distillation_loss.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "gradient/gradient_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::int64_t kRows = 600, kWidth = 12, kVocabulary = 41;  // more rows than logits exist at a time

std::vector<double> log_softmax(const DoubleMatrix& head, const std::vector<double>& x, double softcap) {
  std::vector<double> logits;
  double sum = 0;
  for (const auto& row : head) {
    double logit = 0;
    for (std::size_t c = 0; c < row.size(); ++c) logit += row[c] * x[c];
    if (softcap > 0) logit = softcap * std::tanh(logit / softcap);
    logits.push_back(logit);
    sum += std::exp(logit);
  }
  for (double& logit : logits) logit -= std::log(sum);
  return logits;
}

double reference_kl(const DoubleMatrix& head, const std::vector<double>& teacher,
                    const std::vector<double>& student, double softcap) {
  const auto p = log_softmax(head, teacher, softcap), q = log_softmax(head, student, softcap);
  double kl = 0;
  for (std::size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
  return kl;
}

TEST(DistillationLoss, AndItsGradientEqualTheReferenceInDouble) {
  openblas_set_num_threads(1);
  ThreadPool pool(2);
  const KernelTable table = table_with_products(0);
  const KernelContext kernels{&table, &pool};
  const Matrix<float> head = normal_matrix(kVocabulary, kWidth, kGradientSeed),
                      teacher = normal_matrix(kRows, kWidth, kGradientSeed + 1),
                      student = normal_matrix(kRows, kWidth, kGradientSeed + 2);
  for (const float softcap : {0.0f, 3.0f}) {
    Matrix<float> gradient(kRows, kWidth);
    DistillationLoss distillation({head.view(), softcap}, kernels);
    const double loss =
        distillation.compute(teacher.view(), student.view(), Factors::kFloat, 0.5f, gradient.view());
    const DoubleMatrix weights = to_double(head), from = to_double(teacher);
    DoubleMatrix to = to_double(student);
    double expected = 0;
    for (std::size_t t = 0; t < kRows; ++t) expected += reference_kl(weights, from[t], to[t], softcap);
    // Each row: logits of a few units in float, their differences weighed by probabilities.
    EXPECT_NEAR(loss, expected, kRows * 64 * 0x1p-24) << "seed " << kGradientSeed;
    Rng rng(kGradientSeed);
    for (int i = 0; i < 200; ++i) {
      const auto t = static_cast<std::size_t>(rng.below(kRows)),
                 c = static_cast<std::size_t>(rng.below(kWidth));
      const double slope =
          central_difference(to[t][c], [&] { return reference_kl(weights, from[t], to[t], softcap); });
      EXPECT_NEAR(gradient.at(static_cast<std::int64_t>(t), static_cast<std::int64_t>(c)), 0.5 * slope,
                  128 * 0x1p-24)
          << "seed " << kGradientSeed;
    }
  }
}

TEST(DistillationLoss, IsNearlyTheSameWithProductsOfBfloat16) {
  openblas_set_num_threads(1);
  ThreadPool pool(2);
  const Matrix<float> head = normal_matrix(kVocabulary, kWidth, kGradientSeed),
                      teacher = normal_matrix(kRows, kWidth, kGradientSeed + 1),
                      student = normal_matrix(kRows, kWidth, kGradientSeed + 2);
  const auto compute = [&](int brain_terms, Factors factors, Matrix<float>& gradient) {
    const KernelTable table = table_with_products(brain_terms);
    DistillationLoss distillation({head.view(), 0}, {&table, &pool});
    const double first = distillation.compute(teacher.view(), student.view(), factors, 1, gradient.view());
    EXPECT_EQ(distillation.compute(teacher.view(), student.view(), factors, 1, gradient.view()), first);
    return first;
  };
  Matrix<float> exact(kRows, kWidth);
  const double expected = compute(0, Factors::kFloat, exact);
  for (const int brain_terms : {1, 3}) {
    for (const Factors factors : {Factors::kFloat, Factors::kBrain}) {
      const bool rough = factors == Factors::kBrain;
      Matrix<float> gradient(kRows, kWidth);
      // Logits of twelve terms of a few units each.
      EXPECT_NEAR(compute(brain_terms, factors, gradient), expected, kRows * 12 * (rough ? 0x1p-6 : 0x1p-13))
          << brain_terms << " terms, rough " << rough;
      for (std::int64_t i = 0; i < kRows * kWidth; ++i)
        ASSERT_NEAR(gradient.data()[i], exact.data()[i], rough ? 12 * 0x1p-6 : 4 * 0x1p-8)
            << brain_terms << " terms, rough " << rough << ", value " << i;
    }
  }
}

TEST(DistillationLoss, IsZeroWithoutGradientForATeacherOfItself) {
  openblas_set_num_threads(1);
  ThreadPool pool(2);
  const KernelContext kernels{&select_kernels(detect_cpu_features()), &pool};
  const Matrix<float> head = normal_matrix(kVocabulary, kWidth, kGradientSeed),
                      x = normal_matrix(5, kWidth, kGradientSeed + 1);
  Matrix<float> gradient(5, kWidth);
  EXPECT_EQ(DistillationLoss({head.view(), 0}, kernels)
                .compute(x.view(), x.view(), Factors::kFloat, 1, gradient.view()),
            0);
  EXPECT_TRUE(std::ranges::all_of(gradient.values(), [](float g) { return g == 0; }));
}

}  // namespace
}  // namespace assay
