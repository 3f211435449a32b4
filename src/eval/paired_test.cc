#include "eval/paired.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "eval/closeness_testing.h"
#include "support/testing.h"

namespace assay::eval {
namespace {

TEST(ComparePaired, CountsEachKindOfPair) {
  const std::vector<std::uint8_t> first = {1, 1, 1, 0, 0, 1};
  const std::vector<std::uint8_t> second = {1, 0, 0, 1, 0, 1};
  const auto record = compare_paired(first, second);
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->examples, 6);
  EXPECT_EQ(record->both_correct, 2);
  EXPECT_EQ(record->only_first, 2);
  EXPECT_EQ(record->only_second, 1);
  EXPECT_EQ(record->both_wrong, 1);
  EXPECT_EQ(record->difference, -1.0 / 6);
  EXPECT_THAT(record->p_value, IsRelativelyClose(1.0, 0x1p-50));  // 2 (1 + 3) / 8
}

TEST(ComparePaired, GivesTheExactBinomialProbability) {
  for (const auto& expected : nlohmann::json::parse(read_bytes(golden("eval/mcnemar.json")))) {
    const std::size_t only_first = expected["only_first"];
    const std::size_t only_second = expected["only_second"];
    std::vector<std::uint8_t> first(only_first + only_second + 1, 0);
    std::vector<std::uint8_t> second(first.size(), 1);
    second.back() = 0;
    for (std::size_t i = 0; i < only_first; ++i) std::swap(first[i], second[i]);
    constexpr double kStatedBound = 1e-8;
    EXPECT_THAT(compare_paired(first, second)->p_value,
                IsRelativelyClose(expected["p_value"].get<double>(), kStatedBound))
        << expected;
  }
}

TEST(ComparePaired, RefusesWhatIsNotPaired) {
  const std::vector<std::uint8_t> one = {1};
  EXPECT_THAT(compare_paired(one, {}), FailsWith(ErrorCode::kInvalidArgument, "1 with 0"));
  EXPECT_THAT(compare_paired({}, {}), FailsWith(ErrorCode::kInvalidArgument, "at least one"));
}

}  // namespace
}  // namespace assay::eval
