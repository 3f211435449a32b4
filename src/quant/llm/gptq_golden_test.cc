// Against tools/make_gptq_solver_goldens.py, a plain float64 solver.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "quant/llm/gptq.h"
#include "quant/llm/test_layer.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::int64_t kSamples = 256;
const std::map<std::string, ColumnOrder> kOrders = {
    {"natural", ColumnOrder::kNatural}, {"activation", ColumnOrder::kActivation}, {"groups", ColumnOrder::kGroupAware}};
const std::map<std::string, ScaleSearch> kSearches = {
    {"minmax", ScaleSearch::kMinMax}, {"mse", ScaleSearch::kMse}, {"weighted", ScaleSearch::kWeighted}};

struct Case {
  std::string name, layer;
  std::int64_t rows = 0, cols = 0;
  GptqOptions options;
  std::size_t order_values = 0;
  LayerError error;
};

std::vector<Case> read_cases() {
  std::ifstream in(golden("quant/cases.txt"));
  std::vector<Case> cases;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    Case c;
    std::string order, search;
    std::istringstream(line) >> c.name >> c.layer >> c.rows >> c.cols >> c.options.grid.bits >> c.options.grid.sym >>
        c.options.group_size >> order >> c.options.static_groups >> search >> c.options.grid.min_zero >> c.options.damp >>
        c.order_values >> c.error.weight >> c.error.output;
    c.options.order = kOrders.at(order);
    c.options.grid.search = kSearches.at(search);
    cases.push_back(c);
  }
  return cases;
}

// Takes `count` values off the front of `bytes`.
template <typename T>
std::vector<T> take(std::string& bytes, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  const std::size_t length = values.size() * sizeof(T);
  if (length > bytes.size()) {
    ADD_FAILURE() << "golden file too short";
    return values;
  }
  if (length > 0) std::memcpy(values.data(), bytes.data(), length);
  bytes.erase(0, length);
  return values;
}

struct Layer {
  Matrix<float> w, h;
};

Layer read_layer(const Case& c) {
  auto bytes = read_bytes(golden("quant/" + c.layer + ".bin"));
  Layer layer{Matrix<float>(c.rows, c.cols), {}};
  const auto w = take<float>(bytes, c.rows * c.cols);
  std::copy(w.begin(), w.end(), layer.w.data());
  Matrix<float> x(kSamples, c.cols);
  const auto inputs = take<std::int8_t>(bytes, kSamples * c.cols);
  std::copy(inputs.begin(), inputs.end(), x.data());
  layer.h = hessian_of(x);
  return layer;
}

// How far float32 may take a number of the solver from the reference's, relative to the largest weight. Each weight is the result
// of at most `cols` updates of a product and a difference, of errors that were divided and subtracted: 3 roundings of 2^-24 each
// step, adding up as independent ones do, with probability 1 - 2 exp(-8) within 4 standard deviations (Higham and Mary, 2019).
double rounding_distance(const Case& c) { return 12 * std::sqrt(static_cast<double>(c.cols)) * std::ldexp(1.0, -24); }

struct Agreement {
  int rows_required = 0;  // beyond the rounding distance of every tie: they must agree
  int rows_differing = 0;
};

Agreement compare(const Case& c, const GptqResult& result) {
  auto bytes = read_bytes(golden("quant/" + c.name + ".bin"));
  const auto groups = result.matrix.num_groups();
  const auto codes = take<std::uint8_t>(bytes, c.rows * c.cols);
  const auto scales = take<std::uint16_t>(bytes, c.rows * groups);
  const auto zeros = take<std::uint8_t>(bytes, c.rows * groups);
  const auto margins = take<float>(bytes, c.rows);
  EXPECT_EQ(result.column_order, take<std::int32_t>(bytes, static_cast<std::int64_t>(c.order_values))) << c.name;
  EXPECT_TRUE(bytes.empty()) << c.name;
  Agreement agreement;
  std::vector<std::uint8_t> found(static_cast<std::size_t>(c.cols));
  for (std::int64_t row = 0; row < c.rows; ++row) {
    result.matrix.get_row(row, found);
    bool equal = std::equal(found.begin(), found.end(), codes.begin() + row * c.cols);
    for (std::int64_t group = 0; group < groups; ++group) {
      const auto i = static_cast<std::size_t>(row * groups + group);
      equal = equal && result.matrix.scale(row, group).bits == scales[i] && result.matrix.zero(row, group) == zeros[i];
    }
    const bool required = margins[static_cast<std::size_t>(row)] > rounding_distance(c);
    agreement.rows_required += required;
    agreement.rows_differing += !equal;
    EXPECT_TRUE(equal || !required) << c.name << " row " << row << ", margin " << margins[static_cast<std::size_t>(row)];
  }
  return agreement;
}

double norm_of(const Matrix<float>& m) {
  double sum = 0.0;
  for (const float value : m.values()) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

// W - Q is formed in float32: each value is off by at most 2^-24 (|q| + |w - q|) <= 2^-22 max(|w|, |q|), |q| <= 2 |w| in norm;
// tr(D H D^T)^(1/2) is a norm of D that is at most trace(H)^(1/2) times the Frobenius norm.
double output_error_bound(const Layer& layer) {
  double trace = 0.0;
  for (std::int64_t i = 0; i < layer.h.rows(); ++i) trace += layer.h.at(i, i);
  double output = 0.0;
  for (std::int64_t row = 0; row < layer.w.rows(); ++row) {
    for (std::int64_t i = 0; i < layer.h.rows(); ++i) {
      for (std::int64_t j = 0; j < layer.h.rows(); ++j) {
        output += static_cast<double>(layer.w.at(row, i)) * layer.h.at(i, j) * layer.w.at(row, j);
      }
    }
  }
  return std::ldexp(2 * norm_of(layer.w), -22) * std::sqrt(trace / output);
}

TEST(GptqGolden, AgreesWithTheReferenceOnEveryRowBeyondRoundingOfATie) {
  const auto cases = read_cases();
  ASSERT_EQ(cases.size(), 21u);
  ThreadPool pool(2);
  std::int64_t rows = 0;
  std::int64_t rows_required = 0;
  for (const auto& c : cases) {
    const auto layer = read_layer(c);
    for (const std::int64_t block_size : {128, 40, 1}) {
      auto options = c.options;
      options.block_size = block_size;
      const auto factor = prepare_hessian(layer.h.view(), options);
      ASSERT_THAT(factor, IsOk());
      const auto result = quantize_gptq(layer.w.view(), *factor, options, pool);
      ASSERT_THAT(result, IsOk());
      const auto agreement = compare(c, *result);
      EXPECT_GE(3 * agreement.rows_required, c.rows) << c.name;
      rows += c.rows;
      rows_required += agreement.rows_required;
      if (agreement.rows_differing == 0) {
        EXPECT_NEAR(std::sqrt(result->error.output), std::sqrt(c.error.output), output_error_bound(layer)) << c.name;
        EXPECT_NEAR(result->error.weight, c.error.weight, std::ldexp(1.0, -21)) << c.name;
      }
    }
  }
  EXPECT_GE(10 * rows_required, 8 * rows) << "the comparison must not be vacuous";
}

TEST(GptqGolden, TheComparisonNoticesOneStepOneScaleAndOneZero) {
  const auto c = read_cases().front();
  const auto layer = read_layer(c);
  ThreadPool pool(1);
  const auto result = *quantize_gptq(layer.w.view(), *prepare_hessian(layer.h.view(), c.options), c.options, pool);
  const int differing = compare(c, result).rows_differing;
  auto changed = result;
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(c.cols));
  testing::TestPartResultArray ignored;
  const auto differing_now = [&] {
    using Reporter = testing::ScopedFakeTestPartResultReporter;
    const Reporter quiet(Reporter::INTERCEPT_ONLY_CURRENT_THREAD, &ignored);
    return compare(c, changed).rows_differing;
  };
  changed.matrix.get_row(1, codes);
  codes[7] ^= 1;
  changed.matrix.set_row(1, codes);
  EXPECT_EQ(differing_now(), differing + 1);
  changed = result;
  changed.matrix.scale(1, 0).bits += 1;
  EXPECT_EQ(differing_now(), differing + 1);
  changed = result;
  changed.matrix.zero(1, 1) = 0;
  EXPECT_EQ(differing_now(), differing + 1);
}

}  // namespace
}  // namespace assay
