#include "quant/llm/rtn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "quant/llm/layer_error.h"
#include "quant/llm/test_layer.h"

namespace assay {
namespace {

TEST(QuantizeRtn, GivesEveryGroupItsOwnGridWithAPartialOneAtTheEnd) {
  const auto w = normal_matrix(5, 83, 1);
  ThreadPool pool(2);
  GridOptions options;
  options.sym = false;
  const auto q = *quantize_rtn(w.view(), 32, options, {}, pool);
  ASSERT_EQ(q.num_groups(), 3);
  std::vector<std::uint8_t> codes(83);
  for (std::int64_t row = 0; row < 5; ++row) {
    q.get_row(row, codes);
    for (std::int64_t group = 0; group < 3; ++group) {
      const auto begin = static_cast<std::size_t>(group * 32);
      const auto length = std::min<std::size_t>(32, 83 - begin);
      const std::span<const float> values(w.row(row) + begin, length);
      const auto grid = find_grid(values, {}, options);
      EXPECT_EQ(q.scale(row, group).bits, grid.scale.bits);
      EXPECT_EQ(q.zero(row, group), grid.zero);
      std::vector<std::uint8_t> expected(length);
      quantize_values(values, grid, 4, expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), codes.begin() + static_cast<std::ptrdiff_t>(begin)));
    }
  }
}

TEST(QuantizeRtn, MinusOneAndLargerThanTheRowAreOneGroup) {
  const auto w = normal_matrix(3, 40, 2);
  ThreadPool pool(1);
  for (const std::int64_t group_size : {-1, 40, 128}) {
    EXPECT_EQ(quantize_rtn(w.view(), group_size, {}, {}, pool)->num_groups(), 1) << group_size;
  }
}

TEST(QuantizeRtn, NamesTheValueThatIsNotFinite) {
  auto w = normal_matrix(3, 8, 2);
  w.at(1, 6) = std::numeric_limits<float>::infinity();
  ThreadPool pool(1);
  const auto q = quantize_rtn(w.view(), 8, {}, {}, pool);
  ASSERT_FALSE(q.has_value());
  EXPECT_EQ(q.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(q.error().message, "weight[1, 6] is inf, expected finite values");
}

TEST(QuantizeRtn, RejectsOptionsOutOfRangeByName) {
  const auto w = normal_matrix(2, 8, 2);
  ThreadPool pool(1);
  const auto message = [&](std::int64_t group_size, GridOptions options) {
    const auto q = quantize_rtn(w.view(), group_size, options, {}, pool);
    return q.has_value() ? std::string() : q.error().message;
  };
  EXPECT_EQ(message(8, {.bits = 5}), "bits is 5, expected 2, 3, 4 or 8");
  EXPECT_EQ(message(0, {}), "group size is 0, expected at least 1, or -1 for the whole row");
  EXPECT_EQ(message(8, {.min_zero = 2}), "min_zero is 2, expected 0 or 1");
  EXPECT_NE(message(8, {.norm = std::nan("")}), "");
  EXPECT_NE(message(8, {.grid_steps = 0}), "");
  EXPECT_NE(message(8, {.max_shrink = 1.0}), "");
}

}  // namespace
}  // namespace assay
