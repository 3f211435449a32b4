#include "quant/llm/group_refit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/llm/coordinate_descent.h"
#include "quant/llm/grid.h"
#include "tensor/float16.h"

namespace assay {
namespace {

constexpr float kZeroSteps[] = {0.0f, -1.0f, 1.0f};
constexpr float kScaleFactors[] = {1.0f, 0.92f, 1.08f, 0.82f, 1.2f};
constexpr int kSweeps = 2;
constexpr float kLargestScale = 65504.0f;
constexpr float kSmallestScale = 0x1p-24f;

float storable(float scale, float otherwise) {
  return scale >= kSmallestScale && scale < kLargestScale ? to_float(to_float16(scale)) : otherwise;
}

// One group of a panel on some grid, as a change of what the panel holds.
struct Candidate {
  std::vector<float> scale, zero;  // [rows]
  Matrix<float> code;              // [columns, rows]
  Matrix<float> delta;             // [columns, rows]: its values - the panel's
  Matrix<float> gradient;          // [columns, rows]: the slope of the group's columns with the change
  std::vector<float> gain;         // [rows]: what the change adds to the objective
};

class GroupRefit {
 public:
  GroupRefit(QuantPanel& panel, MatrixView<const float> h, std::int64_t group)
      : panel_(panel), h_(h), group_(group), begin_(group * panel.columns_per_group), columns_(panel.group_end(group) - begin_),
        rows_(panel.rows()), own_(h.rows_between(begin_, begin_ + columns_).cols_between(begin_, begin_ + columns_)) {}

  void run() {
    Candidate best = blank();
    std::copy_n(panel_.scale.row(group_), rows_, best.scale.data());
    std::copy_n(panel_.zero.row(group_), rows_, best.zero.data());
    std::copy_n(panel_.code.row(begin_), columns_ * rows_, best.code.data());
    for (const float zero_step : kZeroSteps) {
      for (const float factor : kScaleFactors) {
        Candidate candidate = start(zero_step, factor);
        for (int sweep = 0; sweep < kSweeps; ++sweep) {
          descend_in_group(h_, begin_, candidate.scale.data(), panel_.bits, candidate.code.view(), candidate.gradient.view(), candidate.delta.view());
        }
        fit_scale(candidate);
        measure(candidate);
        take_better(candidate, best);
      }
    }
    apply(best);
  }

 private:
  Candidate blank() const {
    const auto n = static_cast<std::size_t>(rows_);
    return {std::vector<float>(n), std::vector<float>(n), Matrix<float>(columns_, rows_), Matrix<float>(columns_, rows_), Matrix<float>(columns_, rows_), std::vector<float>(n)};
  }

  // The panel's values, rounded to the grid that is tried.
  Candidate start(float zero_step, float factor) const {
    Candidate candidate = blank();
    const auto max_code = static_cast<float>((1 << panel_.bits) - 1);
    const auto lowest_zero = static_cast<float>(panel_.lowest_zero);
    const auto highest_zero = static_cast<float>(panel_.highest_zero);
    const float* scale = panel_.scale.row(group_);
    const float* zero = panel_.zero.row(group_);
    for (std::size_t row = 0; row < candidate.scale.size(); ++row) {
      candidate.scale[row] = storable(scale[row] * factor, scale[row]);
      candidate.zero[row] = std::clamp(zero[row] + zero_step, lowest_zero, highest_zero);
    }
    for (std::int64_t col = 0; col < columns_; ++col) {
      const float* old_code = panel_.code.row(begin_ + col);
      float* code = candidate.code.row(col);
      float* delta = candidate.delta.row(col);
      for (std::int64_t row = 0; row < rows_; ++row) {
        const auto i = static_cast<std::size_t>(row);
        const float old = scale[row] * (old_code[row] - zero[row]);
        const float step = nearest_step(old, candidate.scale[i], -candidate.zero[i], max_code - candidate.zero[i]);
        code[row] = step + candidate.zero[i];
        delta[row] = candidate.scale[i] * step - old;
      }
    }
    std::copy_n(panel_.gradient.row(begin_), columns_ * rows_, candidate.gradient.data());
    add_product(own_, 0, candidate.delta.view(), candidate.gradient.view());
    return candidate;
  }

  // The best scale for the candidate's codes: one unknown per row.
  void fit_scale(Candidate& candidate) const {
    Matrix<float> steps(columns_, rows_);
    for (std::int64_t col = 0; col < columns_; ++col) {
      for (std::int64_t row = 0; row < rows_; ++row) steps.at(col, row) = candidate.code.at(col, row) - candidate.zero[static_cast<std::size_t>(row)];
    }
    Matrix<float> product(columns_, rows_);
    add_product(own_, 0, steps.view(), product.view());
    const auto n = static_cast<std::size_t>(rows_);
    std::vector<float> slope(n), curvature(n), change(n);
    for (std::int64_t col = 0; col < columns_; ++col) {
      for (std::size_t row = 0; row < n; ++row) {
        slope[row] += steps.row(col)[row] * candidate.gradient.row(col)[row];
        curvature[row] += steps.row(col)[row] * product.row(col)[row];
      }
    }
    for (std::size_t row = 0; row < n; ++row) {
      if (!(curvature[row] > 0.0f)) continue;
      const float scale = storable(candidate.scale[row] - slope[row] / curvature[row], candidate.scale[row]);
      change[row] = scale - candidate.scale[row];
      candidate.scale[row] = scale;
    }
    for (std::int64_t col = 0; col < columns_; ++col) {
      for (std::size_t row = 0; row < n; ++row) {
        candidate.delta.row(col)[row] += change[row] * steps.row(col)[row];
        candidate.gradient.row(col)[row] += change[row] * product.row(col)[row];
      }
    }
  }

  // The objective is quadratic, so its change along delta is delta times the mean of twice the slopes at both ends.
  void measure(Candidate& candidate) const {
    for (std::int64_t col = 0; col < columns_; ++col) {
      const float* before = panel_.gradient.row(begin_ + col);
      for (std::size_t row = 0; row < candidate.gain.size(); ++row) {
        candidate.gain[row] += candidate.delta.row(col)[row] * (before[row] + candidate.gradient.row(col)[row]);
      }
    }
  }

  void take_better(const Candidate& candidate, Candidate& best) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      const auto i = static_cast<std::size_t>(row);
      if (!(candidate.gain[i] < best.gain[i])) continue;
      best.gain[i] = candidate.gain[i];
      best.scale[i] = candidate.scale[i];
      best.zero[i] = candidate.zero[i];
      for (std::int64_t col = 0; col < columns_; ++col) {
        best.code.at(col, row) = candidate.code.at(col, row);
        best.delta.at(col, row) = candidate.delta.at(col, row);
      }
    }
  }

  void apply(const Candidate& best) {
    std::copy_n(best.scale.data(), rows_, panel_.scale.row(group_));
    std::copy_n(best.zero.data(), rows_, panel_.zero.row(group_));
    std::copy_n(best.code.data(), columns_ * rows_, panel_.code.row(begin_));
    add_product(h_, begin_, best.delta.view(), panel_.gradient.view());
  }

  QuantPanel& panel_;
  MatrixView<const float> h_;
  std::int64_t group_, begin_, columns_, rows_;
  MatrixView<const float> own_;  // H within the group
};

}  // namespace

void refit_groups(QuantPanel& panel, MatrixView<const float> h) {
  for (std::int64_t group = 0; group < panel.num_groups(); ++group) GroupRefit(panel, h, group).run();
}

}  // namespace assay
