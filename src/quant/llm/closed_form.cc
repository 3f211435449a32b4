#include "quant/llm/closed_form.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "quant/llm/blas.h"
#include "quant/llm/coordinate_descent.h"
#include "quant/llm/group_refit.h"
#include "quant/llm/quant_panel.h"
#include "quant/llm/scale_fit.h"

namespace assay {
namespace {

// Rows improved together, as in gptq.cc.
constexpr std::int64_t kPanelRows = 96;
// Sweeps of descent in a round, and the share of codes below which the next one is not worth its time.
constexpr int kMaxSweeps = 6;
constexpr double kFewChanges = 0.002;

enum Step : std::size_t { kDescent, kRefit, kFit, kRestart, kNumSteps };
constexpr const char* kStepNames[kNumSteps] = {"descent", "refit", "fit", "restart"};
using Gains = std::array<double, kNumSteps>;  // what each step took off the objective

// Added for columns that hardly any input reached, in units of the mean of H's diagonal.
constexpr double kLeastDamp = 1e-3;

// H with its diagonal raised, so that cancellations between columns count for less.
Matrix<float> shrunk(MatrixView<const float> h, double shrinkage) {
  double trace = 0.0;
  for (std::int64_t i = 0; i < h.rows; ++i) trace += h.at(i, i);
  const double least = kLeastDamp * trace / static_cast<double>(h.rows);
  Matrix<float> result(h.rows, h.cols);
  for (std::int64_t row = 0; row < h.rows; ++row) {
    std::copy_n(h.row(row), h.cols, result.row(row));
    result.at(row, row) = static_cast<float>((1.0 + shrinkage) * h.at(row, row) + least);
  }
  return result;
}

Matrix<float> difference(MatrixView<const float> w, const GroupQuantMatrix& matrix) {
  Matrix<float> result(w.rows, w.cols);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(w.cols));
  for (std::int64_t row = 0; row < w.rows; ++row) {
    matrix.get_row(row, codes);
    for (std::int64_t col = 0; col < w.cols; ++col) {
      const auto group = col / matrix.group_size();
      result.at(row, col) = w.at(row, col) - dequantize(codes[static_cast<std::size_t>(col)], to_float(matrix.scale(row, group)), matrix.zero(row, group));
    }
  }
  return result;
}

class PanelImprover {
 public:
  PanelImprover(QuantPanel panel, MatrixView<const float> h, const ClosedFormOptions& options)
      : panel_(std::move(panel)), h_(h), options_(options), objective_(total()) {}

  const QuantPanel& panel() const { return panel_; }

  Gains run() {
    for (int round = 0; round < options_.max_rounds; ++round) {
      const double before = objective_;
      if (options_.descent) take(kDescent);
      if (options_.refit) take(kRefit);
      if (options_.fit) take(kFit);
      if (!(objective_ < (1.0 - options_.min_gain) * before)) break;
    }
    // Scales moved last: codes may want to follow once more.
    if (options_.descent) take(kDescent);
    return gains_;
  }

 private:
  double total() const {
    const auto rows = row_objectives(panel_);
    return std::accumulate(rows.begin(), rows.end(), 0.0);
  }

  void take(Step step) {
    switch (step) {
      case kDescent: descend_until_few_change(); break;
      case kRefit: refit_groups(panel_, h_); break;
      case kFit: fit_scales(panel_, h_); break;
      case kRestart:
      case kNumSteps: break;
    }
    const double now = total();
    gains_[step] += objective_ - now;
    objective_ = now;
  }

  void descend_until_few_change() {
    const auto few = static_cast<std::int64_t>(kFewChanges * static_cast<double>(panel_.rows() * panel_.cols()));
    for (int sweep = 0; sweep < kMaxSweeps && descend(panel_, h_) > few; ++sweep) {
    }
  }

  QuantPanel panel_;
  MatrixView<const float> h_;
  const ClosedFormOptions& options_;
  double objective_;
  Gains gains_{};
};

// Improves `matrix` in place; the sum of what the steps gained.
Gains improve(MatrixView<const float> target, MatrixView<const float> h, const GridOptions& grid, const ClosedFormOptions& options,
              GroupQuantMatrix& matrix, ThreadPool& pool) {
  const auto num_panels = (target.rows + kPanelRows - 1) / kPanelRows;
  std::vector<Gains> gains(static_cast<std::size_t>(num_panels));
  pool.take_turns(num_panels, [&](std::int64_t i, int) {
    const auto begin = i * kPanelRows;
    const auto rows = target.rows_between(begin, std::min(begin + kPanelRows, target.rows));
    PanelImprover improver(load_panel(rows, matrix, begin, grid, h), h, options);
    gains[static_cast<std::size_t>(i)] = improver.run();
    store_panel(improver.panel(), begin, matrix);
  });
  Gains sum{};
  for (const auto& panel : gains) {
    for (std::size_t step = 0; step < kNumSteps; ++step) sum[step] += panel[step];
  }
  return sum;
}

// (Q - W) H (Q - W)^T of each row.
std::vector<double> objectives(MatrixView<const float> target, MatrixView<const float> h, const GroupQuantMatrix& matrix, ThreadPool& pool) {
  std::vector<double> result(static_cast<std::size_t>(target.rows));
  pool.parallel_for((target.rows + kPanelRows - 1) / kPanelRows, 1, [&](WorkRange range) {
    for (auto i = range.begin; i < range.end; ++i) {
      const auto begin = i * kPanelRows;
      const auto rows = target.rows_between(begin, std::min(begin + kPanelRows, target.rows));
      const auto panel = row_objectives(load_panel(rows, matrix, begin, {}, h));
      std::copy(panel.begin(), panel.end(), result.begin() + begin);
    }
  });
  return result;
}

// Rows of `other` that are better replace those of `matrix`. What that takes off the objective.
double take_better_rows(MatrixView<const float> target, MatrixView<const float> h, const GroupQuantMatrix& other, GroupQuantMatrix& matrix,
                        ThreadPool& pool) {
  const auto old_rows = objectives(target, h, matrix, pool);
  const auto new_rows = objectives(target, h, other, pool);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols()));
  double gain = 0.0;
  for (std::int64_t row = 0; row < matrix.rows(); ++row) {
    const double better = old_rows[static_cast<std::size_t>(row)] - new_rows[static_cast<std::size_t>(row)];
    if (!(better > 0.0)) continue;
    gain += better;
    other.get_row(row, codes);
    matrix.set_row(row, codes);
    for (std::int64_t group = 0; group < matrix.num_groups(); ++group) {
      matrix.scale(row, group) = other.scale(row, group);
      matrix.zero(row, group) = other.zero(row, group);
    }
  }
  return gain;
}

void add_scaled(const Matrix<float>& x, double factor, Matrix<float>& y) {
  for (std::int64_t i = 0; i < y.rows() * y.cols(); ++i) y.data()[i] += static_cast<float>(factor) * x.data()[i];
}

Matrix<float> copy_of(MatrixView<const float> w) {
  Matrix<float> result(w.rows, w.cols);
  for (std::int64_t row = 0; row < w.rows; ++row) std::copy_n(w.row(row), w.cols, result.row(row));
  return result;
}

class LayerSolver {
 public:
  LayerSolver(MatrixView<const float> w, const HessianFactor& factor, const LayerMoments& moments, const LayerMoments* held_out,
              const GptqOptions& gptq, const ClosedFormOptions& options, ThreadPool& pool)
      : w_(w), factor_(factor), moments_(moments), held_out_(held_out), gptq_(gptq), options_(options), pool_(pool), h_(shrunk(moments.hessian.view(), options.shrinkage)), target_(copy_of(w)) {
    const Matrix<float> nothing(w.rows, w.cols);
    norm_ = drifted_error(w, moments.hessian.view(), nothing.view(), pool);
    if (held_out == nullptr) return;
    held_out_norm_ = drifted_error(w, held_out->hessian.view(), nothing.view(), pool);
    held_out_drift_ = held_out->drift.rows() > 0 ? output_drift(w, *held_out, pool) : Matrix<float>(w.rows, w.cols);
  }

  Result<ClosedFormResult> solve() {
    if (options_.targets && moments_.drift.rows() > 0) ASSAY_RETURN_IF_ERROR(shift_target());
    ASSAY_TRY(result_.gptq, quantize_gptq(target_.view(), factor_, gptq_, pool_));
    ASSAY_CHECK(result_.gptq.column_order.empty());
    const double rounded = held_out_error(result_.gptq.matrix);
    result_.steps.push_back({"gptq", 0.0, result_.gptq.error.output});
    GroupQuantMatrix improved = result_.gptq.matrix;
    Gains gains = improve(target_.view(), h_.view(), gptq_.grid, options_, improved, pool_);
    if (options_.restart) {
      ASSAY_TRY(gains[kRestart], restart(h_.view(), improved));
    }
    const double after = held_out_error(improved);
    const bool kept = held_out_ == nullptr || after <= rounded;
    double error = result_.gptq.error.output;
    for (std::size_t step = 0; step < kNumSteps; ++step) {
      if (gains[step] == 0.0) continue;
      const double next = error - gains[step] / norm_;
      result_.steps.push_back({kStepNames[step], error, next, kept});
      error = next;
    }
    if (kept) {
      result_.gptq.matrix = std::move(improved);
      result_.gptq.error = layer_error(target_.view(), result_.gptq.matrix, {}, moments_.hessian.view(), pool_);
    }
    if (held_out_ != nullptr) result_.held_out_error = (kept ? after : rounded) / held_out_norm_;
    return std::move(result_);
  }

 private:
  Status shift_target() {
    const auto drift = output_drift(w_, moments_, pool_);
    ASSAY_TRY(const auto shift, target_shift(drift.view(), h_.view(), kLeastDamp, pool_));
    double strength = options_.target_strength.value_or(0.0);
    if (!options_.target_strength && held_out_ != nullptr) strength = best_strength(shift.view(), held_out_->hessian.view(), held_out_drift_.view(), pool_);
    result_.target_strength = strength;
    Matrix<float> change(w_.rows, w_.cols);
    add_scaled(shift, -strength, change);
    const double gain = drifted_error(change.view(), moments_.hessian.view(), drift.view(), pool_) / norm_;
    result_.steps.push_back({"targets", 0.0, gain, strength > 0.0});
    add_scaled(shift, strength, target_);
    return {};
  }

  // What starting anew on the grids of `matrix` takes off the objective, time after time while it helps.
  Result<double> restart(MatrixView<const float> h, GroupQuantMatrix& matrix) {
    double sum = 0.0;
    for (int i = 0; i < options_.max_restarts; ++i) {
      ASSAY_TRY(GptqResult again, quantize_gptq_on_grids(target_.view(), factor_, matrix, gptq_, pool_));
      improve(target_.view(), h, gptq_.grid, options_, again.matrix, pool_);
      const double gain = take_better_rows(target_.view(), h, again.matrix, matrix, pool_);
      sum += gain;
      if (gain < options_.min_gain * result_.gptq.error.output * norm_) break;
    }
    return sum;
  }

  // Of the outputs on held-out inputs, but for a constant; 0 where there are none.
  double held_out_error(const GroupQuantMatrix& matrix) const {
    if (held_out_ == nullptr) return 0.0;
    return drifted_error(difference(w_, matrix).view(), held_out_->hessian.view(), held_out_drift_.view(), pool_);
  }

  MatrixView<const float> w_;
  const HessianFactor& factor_;
  const LayerMoments& moments_;
  const LayerMoments* held_out_;
  const GptqOptions& gptq_;
  const ClosedFormOptions& options_;
  ThreadPool& pool_;
  Matrix<float> h_;       // of the objective that steps lower
  Matrix<float> target_;  // what is rounded
  Matrix<float> held_out_drift_;
  double norm_ = 0;  // tr(W H W^T)
  double held_out_norm_ = 0;
  ClosedFormResult result_;
};

}  // namespace

Status check_closed_form_options(const ClosedFormOptions& options) {
  const auto bad = [](const std::string& name, double found, const char* expected) {
    return Error{ErrorCode::kInvalidArgument, name + " is " + std::to_string(found) + ", expected " + expected};
  };
  if (options.target_strength && !(*options.target_strength >= 0 && *options.target_strength <= 1)) {
    return bad("target strength", *options.target_strength, "within [0, 1]");
  }
  if (!(options.shrinkage >= 0 && options.shrinkage <= 10)) return bad("shrinkage", options.shrinkage, "within [0, 10]");
  if (options.max_rounds < 0) return bad("rounds", options.max_rounds, "at least 0");
  if (!(options.min_gain >= 0 && options.min_gain < 1)) return bad("least gain", options.min_gain, "within [0, 1)");
  return {};
}

Result<ClosedFormResult> quantize_closed_form(MatrixView<const float> w, const HessianFactor& factor, const LayerMoments& moments,
                                              const LayerMoments* held_out, const GptqOptions& gptq,
                                              const ClosedFormOptions& options, ThreadPool& pool) {
  ASSAY_RETURN_IF_ERROR(check_closed_form_options(options));
  if (gptq.order == ColumnOrder::kActivation && !gptq.static_groups) {
    return Error{ErrorCode::kInvalidArgument, "order by activations needs static groups here, since columns must stay in their groups"};
  }
  return LayerSolver(w, factor, moments, held_out, gptq, options, pool).solve();
}

}  // namespace assay
