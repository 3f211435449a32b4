#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "kernels/kernels_testing.h"
#include "tensor/float16.h"

namespace assay {
namespace {

constexpr double kUnit = 0x1.0p-24;

class Attention : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Table, Attention, testing::ValuesIn(tables_here()), table_name);

// One sequence with its own memory.
struct Sequence {
  Sequence(const AttentionShape& shape, std::int64_t tokens, std::int64_t positions, std::uint64_t seed)
      : query_cols(shape.num_heads * shape.head_dim),
        kv_cols(shape.num_kv_heads * shape.head_dim),
        num_queries(tokens),
        num_keys(positions),
        q(normal_values(tokens * query_cols, seed)),
        k(normal_values(positions * kv_cols, seed + 1)),
        v(normal_values(positions * kv_cols, seed + 2)),
        out(q.size()) {}
  AttentionTask task() {
    return {{q.data(), num_queries, query_cols},
            MatrixView<const float>(k.data(), num_keys, kv_cols),
            MatrixView<const float>(v.data(), num_keys, kv_cols),
            {out.data(), num_queries, query_cols}};
  }
  std::int64_t query_cols, kv_cols, num_queries, num_keys;
  std::vector<float> q, k, v, out;
};

struct Expected {
  std::vector<double> out;
  std::vector<double> bound;
};

// One query of one head in double. The bound follows docs/numerics.md: an error d of every score moves every
// weight by a factor within e^(2d), and the sums add one unit per key.
void expect_query(const AttentionShape& shape, Sequence& s, std::int64_t i, std::int64_t head,
                  Expected& expected) {
  const AttentionTask task = s.task();
  const std::int64_t dim = shape.head_dim;
  const std::int64_t kv = head / (shape.num_heads / shape.num_kv_heads) * dim;
  const std::int64_t own = s.num_keys - s.num_queries + i;
  const std::int64_t first = shape.window > 0 ? std::max<std::int64_t>(0, own - shape.window + 1) : 0;
  std::vector<double> scores;
  double score_error = 0;
  for (std::int64_t p = first; p <= own; ++p) {
    double score = 0, magnitude = 0;
    for (std::int64_t c = 0; c < dim; ++c) {
      const double term =
          static_cast<double>(task.queries.at(i, head * dim + c)) * task.keys.floats.at(p, kv + c);
      score += term;
      magnitude += std::abs(term);
    }
    score *= shape.scale;
    score_error = std::max(score_error, (static_cast<double>(dim) + 5) * kUnit * shape.scale * magnitude);
    scores.push_back(shape.softcap > 0 ? shape.softcap * std::tanh(score / shape.softcap) : score);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  const double smallest = *std::min_element(scores.begin(), scores.end());
  score_error += (largest - smallest) * kUnit + 8 * kUnit * shape.softcap;
  double sum = 0;
  for (auto& score : scores) sum += score = std::exp(score - largest);
  const double relative = std::expm1(2 * score_error) + (2 * static_cast<double>(scores.size()) + 28) * kUnit;
  for (std::int64_t c = 0; c < dim; ++c) {
    double value = 0, magnitude = 0;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const double term =
          scores[j] / sum * task.values.floats.at(first + static_cast<std::int64_t>(j), kv + c);
      value += term;
      magnitude += std::abs(term);
    }
    expected.out.push_back(value);
    expected.bound.push_back(relative * magnitude + 1e-37);
  }
}

Expected expect(const AttentionShape& shape, Sequence& s) {
  Expected expected;
  for (std::int64_t i = 0; i < s.num_queries; ++i) {
    for (std::int64_t head = 0; head < shape.num_heads; ++head) expect_query(shape, s, i, head, expected);
  }
  return expected;
}

AttentionShape shape_of(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim) {
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(dim)));
  return {.num_heads = heads, .num_kv_heads = kv_heads, .head_dim = dim, .scale = scale};
}

TEST_P(Attention, StaysWithinTheBoundForAllShapesWindowsAndCaps) {
  constexpr std::tuple<int, int, int> kHeads[] = {{1, 1, 64}, {4, 2, 16}, {3, 1, 20}, {2, 2, 80}, {6, 3, 7}};
  constexpr std::pair<int, int> kLengths[] = {{1, 1},   {1, 40},  {2, 2},   {5, 33},
                                              {17, 17}, {70, 70}, {64, 300}};
  for (const auto& [heads, kv_heads, dim] : kHeads) {
    for (const auto& [tokens, positions] : kLengths) {
      for (const std::int64_t window : {0, 1, 5, 64}) {
        for (const float softcap : {0.0f, 2.0f, 50.0f}) {
          AttentionShape shape = shape_of(heads, kv_heads, dim);
          shape.window = window;
          shape.softcap = softcap;
          Sequence s(shape, tokens, positions, 5);
          const AttentionTask task = s.task();
          attention(context(), shape, std::span(&task, 1));
          const auto expected = expect(shape, s);
          ASSERT_TRUE(within_bound(s.out, expected.out, expected.bound))
              << heads << "/" << kv_heads << " heads of " << dim << ", " << tokens << " of " << positions
              << ", window " << window << ", cap " << softcap;
        }
      }
    }
  }
}

TEST_P(Attention, StaysWithinTheBoundForScoresFarApart) {
  AttentionShape shape = shape_of(1, 1, 32);
  shape.scale = 30.0f;
  Sequence s(shape, 20, 50, 6);
  const AttentionTask task = s.task();
  attention(context(), shape, std::span(&task, 1));
  const auto expected = expect(shape, s);
  EXPECT_TRUE(within_bound(s.out, expected.out, expected.bound));
}

TEST_P(Attention, GivesATaskTheSameBitsAloneInCompanyAndForAnyNumberOfThreads) {
  const AttentionShape shape = shape_of(3, 1, 24);
  std::vector<Sequence> together;
  for (const auto& [tokens, positions] : {std::pair<int, int>{3, 9}, {100, 100}, {1, 30}, {60, 90}}) {
    together.emplace_back(shape, tokens, positions, 7 + static_cast<std::uint64_t>(positions));
  }
  auto alone = together;
  std::vector<AttentionTask> tasks;
  for (auto& s : together) tasks.push_back(s.task());
  attention(context(), shape, tasks);
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      const AttentionTask task = alone[i].task();
      attention({GetParam(), &pool}, shape, std::span(&task, 1));
      EXPECT_TRUE(same_bits(alone[i].out, together[i].out)) << "task " << i << ", threads " << threads;
    }
  }
}

TEST_P(Attention, GivesAQueryTheSameBitsInAnyBlockOfSeveral) {
  for (const std::int64_t window : {0, 13}) {
    AttentionShape shape = shape_of(2, 1, 32);
    shape.window = window;
    Sequence s(shape, 230, 230, 8);
    AttentionTask all = s.task();
    attention(context(), shape, std::span(&all, 1));
    std::vector<float> part(static_cast<std::size_t>(2 * s.query_cols));
    for (std::int64_t first = 0; first + 2 <= 230; first += 11) {
      const AttentionTask task{all.queries.rows_between(first, first + 2),
                               all.keys.floats.rows_between(0, first + 2),
                               all.values.floats.rows_between(0, first + 2),
                               {part.data(), 2, s.query_cols}};
      attention(context(), shape, std::span(&task, 1));
      EXPECT_TRUE(same_bits(
          part, std::span(s.out).subspan(static_cast<std::size_t>(first * s.query_cols), part.size())));
    }
  }
}

TEST_P(Attention, PassesNanOnToTheQueriesThatSeeIt) {
  const AttentionShape shape = shape_of(1, 1, 16);
  Sequence s(shape, 4, 8, 9);
  s.k[6 * 16 + 3] = std::numeric_limits<float>::quiet_NaN();
  const AttentionTask task = s.task();
  attention(context(), shape, std::span(&task, 1));
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t c = 0; c < 16; ++c) EXPECT_EQ(std::isnan(s.out[i * 16 + c]), i >= 2) << i;
  }
}

TEST_P(Attention, GivesForHalvesTheBitsThatTheirValuesGiveAsFloats) {
  for (const auto& [heads, kv_heads, dim] :
       {std::tuple<int, int, int>{4, 2, 16}, {3, 1, 20}, {6, 3, 7}, {2, 2, 144}}) {
    for (const auto& [tokens, positions] : {std::pair<int, int>{1, 1}, {1, 230}, {70, 70}, {64, 300}}) {
      AttentionShape shape = shape_of(heads, kv_heads, dim);
      shape.window = 150;
      Sequence s(shape, tokens, positions, 11);
      const std::int64_t cols = s.kv_cols;
      Matrix<Float16> keys(positions, cols), values(positions, cols);
      round_to_halves(context(), {s.k.data(), positions, cols}, keys.view());
      round_to_halves(context(), {s.v.data(), positions, cols}, values.view());
      for (std::size_t i = 0; i < s.k.size(); ++i) {
        s.k[i] = to_float(keys.values()[i]);
        s.v[i] = to_float(values.values()[i]);
      }
      AttentionTask task = s.task();
      attention(context(), shape, std::span(&task, 1));
      const std::vector<float> expected = s.out;
      task.keys = MatrixView<const Float16>(keys.view());
      task.values = MatrixView<const Float16>(values.view());
      attention(context(), shape, std::span(&task, 1));
      EXPECT_TRUE(same_bits(s.out, expected))
          << heads << " heads of " << dim << ", " << tokens << " of " << positions;
    }
  }
}

TEST_P(Attention, RoundsToTheNearestHalfAndSaturates) {
  std::vector<float> x = {0.0f,
                          -0.0f,
                          1.0f,
                          0x1.002p0f,
                          0x1.006p0f,
                          0x1.004p0f,
                          65504.0f,
                          65519.0f,
                          65520.0f,
                          -1e30f,
                          0x1p-24f,
                          0x1p-25f,
                          0x1.8p-25f,
                          -0x1p-15f,
                          std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()};
  const auto more = normal_values(1001, 12);
  for (std::size_t i = 0; i < more.size(); ++i)
    x.push_back(more[i] * std::ldexp(1.0f, static_cast<int>(i % 45) - 28));
  const auto count = static_cast<std::int64_t>(x.size());
  Matrix<Float16> halves(1, count);
  round_to_halves(context(), {x.data(), 1, count}, halves.view());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float half = to_float(halves.values()[i]);
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(half));
    } else {
      EXPECT_EQ(half, to_float(to_float16(std::clamp(x[i], -65504.0f, 65504.0f)))) << x[i];
      EXPECT_EQ(std::signbit(half), std::signbit(x[i]));
    }
  }
}

TEST_P(Attention, TakesNoTasksAndNoQueries) {
  const AttentionShape shape = shape_of(1, 1, 16);
  attention(context(), shape, {});
  Sequence s(shape, 0, 4, 10);
  const AttentionTask task = s.task();
  attention(context(), shape, std::span(&task, 1));
}

}  // namespace
}  // namespace assay
