#include "quant/llm/closed_form.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "quant/llm/coordinate_descent.h"
#include "quant/llm/group_refit.h"
#include "quant/llm/rtn.h"
#include "quant/llm/scale_fit.h"
#include "quant/llm/test_layer.h"
#include "support/testing.h"

namespace assay {
namespace {

GridOptions grid_options(int bits) {
  GridOptions options;
  options.bits = bits;
  options.sym = false;
  return options;
}

// A rounded layer, ready for the steps.
struct Rounded {
  Matrix<float> w, h;
  GroupQuantMatrix matrix;
  QuantPanel panel;

  Rounded(std::int64_t rows, std::int64_t cols, std::int64_t group_size, int bits, std::uint64_t seed)
      : w(normal_matrix(rows, cols, seed)), h(hessian_of(correlated_inputs(4 * cols, cols, 6, seed + 100))) {
    ThreadPool pool(1);
    matrix = *quantize_rtn(w.view(), group_size, grid_options(bits), {}, pool);
    panel = load_panel(w.view(), matrix, 0, grid_options(bits), h.view());
  }
};

// (Q - W) H (Q - W)^T of a row from scratch, in double.
double direct_objective(const Rounded& layer, std::int64_t row, const std::vector<double>& values) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      const auto r = static_cast<std::int64_t>(i), c = static_cast<std::int64_t>(j);
      sum += (values[i] - layer.w.at(row, r)) * layer.h.at(r, c) * (values[j] - layer.w.at(row, c));
    }
  }
  return sum;
}

std::vector<double> values_of(const QuantPanel& panel, std::int64_t row) {
  std::vector<double> values;
  for (std::int64_t col = 0; col < panel.cols(); ++col) {
    const auto group = col / panel.columns_per_group;
    values.push_back(static_cast<double>(panel.scale.at(group, row)) * (panel.code.at(col, row) - panel.zero.at(group, row)));
  }
  return values;
}

const std::pair<const char*, std::function<void(QuantPanel&, MatrixView<const float>)>> kSteps[] = {
    {"descent", [](QuantPanel& panel, MatrixView<const float> h) { descend(panel, h); }}, {"refit", refit_groups}, {"fit", fit_scales}};

TEST(ClosedFormSteps, NeverMakeARowWorse) {
  for (const int bits : {2, 3, 4}) {
    for (const auto& [name, step] : kSteps) {
      Rounded layer(20, 96, 32, bits, 7);
      for (int pass = 0; pass < 3; ++pass) {
        const auto before = row_objectives(layer.panel);
        step(layer.panel, layer.h.view());
        const auto after = row_objectives(layer.panel);
        for (std::size_t row = 0; row < before.size(); ++row) EXPECT_LE(after[row], before[row] * (1 + 1e-5)) << name << ", " << bits << " bits, row " << row;
        if (pass == 0) {
          EXPECT_LT(std::accumulate(after.begin(), after.end(), 0.0), 0.98 * std::accumulate(before.begin(), before.end(), 0.0)) << name;
        }
      }
    }
  }
}

TEST(ClosedFormSteps, KeepTheGradientUpToDate) {
  for (const auto& [name, step] : kSteps) {
    Rounded layer(9, 130, 32, 2, 8);  // a last group and a last block that are shorter
    for (int pass = 0; pass < 3; ++pass) step(layer.panel, layer.h.view());
    const auto objectives = row_objectives(layer.panel);
    for (std::int64_t row = 0; row < 9; ++row) {
      const double exact = direct_objective(layer, row, values_of(layer.panel, row));
      EXPECT_NEAR(objectives[static_cast<std::size_t>(row)], exact, 1e-3 * exact) << name << ", row " << row;
    }
  }
}

TEST(ClosedFormSteps, StoreWhatTheyHold) {
  Rounded layer(9, 64, 32, 3, 9);
  for (const auto& [name, step] : kSteps) step(layer.panel, layer.h.view());
  store_panel(layer.panel, 0, layer.matrix);
  const auto again = load_panel(layer.w.view(), layer.matrix, 0, grid_options(3), layer.h.view());
  for (std::int64_t row = 0; row < 9; ++row) EXPECT_EQ(values_of(again, row), values_of(layer.panel, row));
}

TEST(CoordinateDescent, EndsWhereNoChangeOfOneCodeHelps) {
  Rounded layer(6, 40, 40, 2, 11);
  for (int sweep = 0; sweep < 100 && descend(layer.panel, layer.h.view()) > 0; ++sweep) {
  }
  for (std::int64_t row = 0; row < 6; ++row) {
    const double least = direct_objective(layer, row, values_of(layer.panel, row));
    for (std::int64_t col = 0; col < 40; ++col) {
      for (int code = 0; code < 4; ++code) {
        auto values = values_of(layer.panel, row);
        values[static_cast<std::size_t>(col)] = static_cast<double>(layer.panel.scale.at(0, row)) * (code - layer.panel.zero.at(0, row));
        EXPECT_GE(direct_objective(layer, row, values), least * (1 - 1e-5)) << row << ", " << col;
      }
    }
  }
}

TEST(CoordinateDescent, FindsTheOptimumOfMostSmallRows) {
  int optimal = 0;
  constexpr int kRows = 40, kCols = 5;
  Rounded layer(kRows, kCols, kCols, 2, 12);
  for (int sweep = 0; sweep < 100 && descend(layer.panel, layer.h.view()) > 0; ++sweep) {
  }
  for (std::int64_t row = 0; row < kRows; ++row) {
    double least = INFINITY;
    for (int choice = 0; choice < 1 << (2 * kCols); ++choice) {
      std::vector<double> values;
      for (int col = 0; col < kCols; ++col) values.push_back(static_cast<double>(layer.panel.scale.at(0, row)) * (((choice >> (2 * col)) & 3) - layer.panel.zero.at(0, row)));
      least = std::min(least, direct_objective(layer, row, values));
    }
    const double found = direct_objective(layer, row, values_of(layer.panel, row));
    EXPECT_GE(found, least * (1 - 1e-5));
    optimal += found <= least * (1 + 1e-4) ? 1 : 0;
  }
  EXPECT_GE(optimal, kRows / 2);
}

TEST(ScaleFit, LeavesNoSlopeInAnyScale) {
  Rounded layer(12, 96, 32, 2, 13);
  fit_scales(layer.panel, layer.h.view());
  for (std::int64_t row = 0; row < 12; ++row) {
    for (std::int64_t group = 0; group < 3; ++group) {
      // What a change of this scale alone would gain: half of slope^2 / curvature; float16 leaves a relative 2^-11 of the scale.
      double slope = 0, curvature = 0;
      for (auto i = group * 32; i < group * 32 + 32; ++i) {
        const double step = layer.panel.code.at(i, row) - layer.panel.zero.at(group, row);
        slope += step * layer.panel.gradient.at(i, row);
        for (auto j = group * 32; j < group * 32 + 32; ++j) curvature += step * layer.h.at(i, j) * (layer.panel.code.at(j, row) - layer.panel.zero.at(group, row));
      }
      const double left = std::fabs(slope / curvature);
      double scales = 0;  // others were rounded as well, and reach here through H
      for (std::int64_t other = 0; other < 3; ++other) scales += layer.panel.scale.at(other, row);
      EXPECT_LE(left, 0x1p-10 * scales) << row << ", " << group;
    }
  }
}

TEST(GroupRefit, LeavesAFixedZeroAlone) {
  Rounded layer(12, 64, 32, 2, 14);
  layer.panel.lowest_zero = layer.panel.highest_zero = 2;
  for (std::int64_t group = 0; group < 2; ++group) {
    for (std::int64_t row = 0; row < 12; ++row) layer.panel.zero.at(group, row) = 2;
  }
  compute_gradient(layer.panel, layer.h.view());
  refit_groups(layer.panel, layer.h.view());
  for (std::int64_t group = 0; group < 2; ++group) {
    for (std::int64_t row = 0; row < 12; ++row) EXPECT_EQ(layer.panel.zero.at(group, row), 2.0f);
  }
}


Result<ClosedFormResult> solve(const Matrix<float>& w, const LayerMoments& moments, const LayerMoments* held_out, const ClosedFormOptions& options, int threads = 2) {
  GptqOptions gptq;
  gptq.grid = grid_options(2);
  gptq.grid.search = ScaleSearch::kJoint;
  gptq.group_size = 32;
  ThreadPool pool(threads);
  ASSAY_TRY(const auto factor, prepare_hessian(moments.hessian.view(), gptq));
  return quantize_closed_form(w.view(), factor, moments, held_out, gptq, options, pool);
}

TEST(ClosedForm, BeatsGptqByEveryStep) {
  const auto w = normal_matrix(100, 96, 21);
  const LayerMoments moments{hessian_of(correlated_inputs(500, 96, 10, 22)), {}, {}};
  ClosedFormOptions options{.descent = false, .refit = false, .fit = false, .restart = false};
  double error = solve(w, moments, nullptr, options)->gptq.error.output;
  for (bool ClosedFormOptions::*step : {&ClosedFormOptions::descent, &ClosedFormOptions::fit, &ClosedFormOptions::refit, &ClosedFormOptions::restart}) {
    options.*step = true;
    const double next = solve(w, moments, nullptr, options)->gptq.error.output;
    EXPECT_LT(next, error);
    error = next;
  }
}

TEST(ClosedForm, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto w = normal_matrix(250, 96, 23);
  const LayerMoments moments{hessian_of(correlated_inputs(500, 96, 10, 24)), {}, {}};
  const auto one = *solve(w, moments, nullptr, {}, 1);
  const auto three = *solve(w, moments, nullptr, {}, 3);
  EXPECT_EQ(one.gptq.error.output, three.gptq.error.output);
  EXPECT_EQ(one.gptq.error.weight, three.gptq.error.weight);
}

TEST(ClosedForm, DropsStepsThatHurtOnHeldOutInputs) {
  // Calibrated on 20 inputs for 96 columns, the steps fit noise; held-out inputs of equal strength in all directions show it.
  const auto w = normal_matrix(40, 96, 25);
  const LayerMoments few{hessian_of(normal_matrix(20, 96, 26)), {}, {}};
  const LayerMoments many{hessian_of(normal_matrix(5000, 96, 27)), {}, {}};
  ClosedFormOptions options{.shrinkage = 0};
  const auto judged = *solve(w, few, &many, options);
  const auto unjudged = *solve(w, few, nullptr, options);
  for (const auto& step : judged.steps) EXPECT_EQ(step.kept, step.step == "gptq") << step.step;
  ThreadPool pool(1);
  EXPECT_LT(layer_error(w.view(), judged.gptq.matrix, {}, many.hessian.view(), pool).output,
            layer_error(w.view(), unjudged.gptq.matrix, {}, many.hessian.view(), pool).output);
}

TEST(ClosedForm, RefusesColumnsThatLeaveTheirGroups) {
  const auto w = normal_matrix(4, 32, 28);
  const LayerMoments moments{hessian_of(correlated_inputs(100, 32, 4, 29)), {}, {}};
  GptqOptions gptq;
  gptq.order = ColumnOrder::kActivation;
  ThreadPool pool(1);
  const auto factor = *prepare_hessian(moments.hessian.view(), gptq);
  EXPECT_THAT(quantize_closed_form(w.view(), factor, moments, nullptr, gptq, {}, pool), FailsWith(ErrorCode::kInvalidArgument, "static groups"));
}

}  // namespace
}  // namespace assay
