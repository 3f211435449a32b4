#include "gradient/distillation_loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "gradient/products.h"
#include "kernels/kernel_table.h"

namespace assay {
namespace {

constexpr std::int64_t kRows = 512;

void cap(std::span<float> logits, float softcap) {
  for (float& logit : logits) logit = softcap * std::tanh(logit / softcap);
}

// Turns `probabilities`, a copy of logits, into their softmax; returns log sum exp of the logits.
double softmax_of(const KernelTable& table, std::span<const float> logits, std::span<float> probabilities) {
  const auto largest = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
  table.softmax({probabilities.data(), static_cast<std::int64_t>(probabilities.size()), 1.0f, 0.0f});
  return logits[largest] - std::log(static_cast<double>(probabilities[largest]));
}

// KL of one row of logits; `student` becomes scale times the gradient with respect to the head's output.
double row_loss(const KernelTable& table, float softcap, std::span<float> teacher, std::span<float> student,
                float scale, std::vector<float>& p, std::vector<float>& q) {
  if (softcap > 0) {
    cap(teacher, softcap);
    cap(student, softcap);
  }
  p.assign(teacher.begin(), teacher.end());
  q.assign(student.begin(), student.end());
  const double teacher_norm = softmax_of(table, teacher, p), student_norm = softmax_of(table, student, q);
  double along = 0;
  for (std::size_t i = 0; i < p.size(); ++i) along += static_cast<double>(p[i]) * (teacher[i] - student[i]);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const float slope = softcap > 0 ? 1.0f - student[i] * student[i] / (softcap * softcap) : 1.0f;
    student[i] = scale * (q[i] - p[i]) * slope;
  }
  return along - teacher_norm + student_norm;
}

}  // namespace

DistillationLoss::DistillationLoss(const DistillationHead& head, const KernelContext& kernels)
    : head_(head), kernels_(kernels) {
  const Matrix<float> none(0, head.weight.cols);
  const auto packed_for_logits = [&](Factors factors) {
    return packed_right_factor(
        forward_product(none.view(), head.weight, {nullptr, 0, head.weight.rows}, Accumulate::kNo, factors),
        kernels);
  };
  const Matrix<float> no_logits(0, head.weight.rows);
  const Product back =
      input_product(no_logits.view(), head.weight, {nullptr, 0, head.weight.cols}, Accumulate::kNo);
  float_head_ = packed_for_logits(Factors::kFloat);
  brain_head_ = packed_for_logits(Factors::kBrain);
  gradient_head_ = packed_right_factor(back, kernels);
}

double DistillationLoss::compute(MatrixView<const float> teacher, MatrixView<const float> student,
                                 Factors factors, float scale, MatrixView<float> dstudent) {
  const MatrixView<const float> head = head_.weight;
  ASSAY_CHECK(teacher.rows == student.rows && teacher.cols == student.cols && student.cols == head.cols);
  const std::int64_t block = std::min(kRows, student.rows);
  if (teacher_logits_.rows() < block) {
    teacher_logits_ = Matrix<float>::unset(block, head.rows);
    student_logits_ = Matrix<float>::unset(block, head.rows);
  }
  std::vector<double> losses(static_cast<std::size_t>(student.rows));
  for (std::int64_t begin = 0; begin < student.rows; begin += kRows) {
    const std::int64_t end = std::min(begin + kRows, student.rows), rows = end - begin;
    const auto t = teacher_logits_.view().rows_between(0, rows),
               s = student_logits_.view().rows_between(0, rows);
    Product logits[] = {forward_product(teacher.rows_between(begin, end), head, t, Accumulate::kNo, factors),
                        forward_product(student.rows_between(begin, end), head, s, Accumulate::kNo, factors)};
    for (Product& product : logits)
      product.right.packed = (factors == Factors::kFloat ? float_head_ : brain_head_).get();
    multiply(logits, kernels_);
    const auto width = static_cast<std::size_t>(head.rows);
    kernels_.pool->parallel_for(rows, 1, [&](WorkRange range) {
      std::vector<float> p, q;
      for (std::int64_t i = range.begin; i < range.end; ++i)
        losses[static_cast<std::size_t>(begin + i)] =
            row_loss(*kernels_.table, head_.softcap, {t.row(i), width}, {s.row(i), width}, scale, p, q);
    });
    if (dstudent.rows > 0) {
      Product back = input_product(s, head, dstudent.rows_between(begin, end), Accumulate::kNo);
      back.right.packed = gradient_head_.get();
      multiply({&back, 1}, kernels_);
    }
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace assay
