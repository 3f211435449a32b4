#include "eval/coco/score_order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace assay::eval::coco {
namespace {

enum class ArrayType { kInt64, kUint64, kDouble, kObject };

constexpr __int128 kTwo63 = static_cast<__int128>(1) << 63;
constexpr __int128 kTwo64 = static_cast<__int128>(1) << 64;

// A Python number: an int or a float.
struct PythonNumber {
  bool is_integer = false;
  __int128 integer = 0;
  double real = 0;
};

PythonNumber score_of(const Detections& detections, std::uint32_t index) {
  PythonNumber number;
  number.real = detections.boxes[index].score;
  number.is_integer = detections.exact_scores.is_integer[index] != 0;
  if (!number.is_integer) return number;
  const auto exact = detections.exact_scores.integers.find(index);
  number.integer =
      exact != detections.exact_scores.integers.end() ? exact->second : static_cast<__int128>(number.real);
  return number;
}

PythonNumber negated(PythonNumber number) { return {number.is_integer, -number.integer, -number.real}; }

ArrayType array_type(std::span<const PythonNumber> numbers) {
  bool real = numbers.empty(), small = false, large = false;
  for (const PythonNumber& number : numbers) {
    if (!number.is_integer) {
      real = true;
    } else if (number.integer < -kTwo63 || number.integer >= kTwo64) {
      return ArrayType::kObject;
    } else {
      (number.integer < kTwo63 ? small : large) = true;
    }
  }
  if (real || (small && large)) return ArrayType::kDouble;
  return large ? ArrayType::kUint64 : ArrayType::kInt64;
}

ArrayType promoted(ArrayType a, ArrayType b) {
  if (a == ArrayType::kObject || b == ArrayType::kObject) return ArrayType::kObject;
  return a == b ? a : ArrayType::kDouble;
}

void convert(PythonNumber& number, ArrayType type) {
  if (type == ArrayType::kDouble) number.is_integer = false;
}

// As Python compares an int with a float: exactly.
bool less(const PythonNumber& a, const PythonNumber& b) {
  if (a.is_integer && b.is_integer) return a.integer < b.integer;
  if (!a.is_integer && !b.is_integer) return a.real < b.real || (std::isnan(b.real) && !std::isnan(a.real));
  const double real = a.is_integer ? b.real : a.real;
  if (std::isnan(real)) return a.is_integer;
  constexpr double kTwo126 = 8.507059173023462e37;
  if (std::abs(real) >= kTwo126) return a.is_integer == (real > 0);
  const auto whole = static_cast<__int128>(std::floor(real));
  const bool fraction = std::floor(real) != real;
  if (a.is_integer) return a.integer < whole || (a.integer == whole && fraction);
  return whole < b.integer;
}

// Positions of the numbers, smallest first, stable.
std::vector<std::uint32_t> argsort(std::span<const PythonNumber> numbers) {
  std::vector<std::uint32_t> order(numbers.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return less(numbers[a], numbers[b]); });
  return order;
}

// As numpy negates an array: 64-bit integers wrap.
PythonNumber negated_in_array(PythonNumber number, ArrayType type) {
  number = negated(number);
  if (type == ArrayType::kUint64 && number.integer < 0) number.integer += kTwo64;
  if (type == ArrayType::kInt64 && number.integer == kTwo63) number.integer = -kTwo63;
  return number;
}

std::vector<std::uint32_t> sort_exactly(const Detections& detections, std::span<const RankedDetection> ranked,
                                        bool empty_images) {
  std::vector<PythonNumber> numbers;
  for (const RankedDetection& entry : ranked) numbers.push_back(score_of(detections, entry.detection));
  ArrayType all = ArrayType::kDouble;
  bool first = !empty_images;
  for (std::size_t begin = 0, end = 0; begin < ranked.size(); begin = end) {
    while (end < ranked.size() && ranked[end].image == ranked[begin].image) ++end;
    const std::span<PythonNumber> of_image(numbers.data() + begin, end - begin);
    const ArrayType type = array_type(of_image);
    for (PythonNumber& number : of_image) convert(number, type);
    all = first ? type : promoted(all, type);
    first = false;
  }
  for (PythonNumber& number : numbers) {
    convert(number, all);
    number = negated_in_array(number, all);
  }
  return argsort(numbers);
}

// Unsigned keys in the order of the scores, best first: the bits of a double, made monotone. Both zeros are
// one, and NaN is behind -infinity.
std::uint64_t key_of(double score) {
  if (std::isnan(score)) return ~std::uint64_t{0};
  const auto bits = std::bit_cast<std::uint64_t>(0.0 - score);
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace

void sort_within_image(const Detections& detections, std::span<std::uint32_t> order) {
  if (order.size() < 2) return;
  if (detections.exact_scores.empty()) {
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(key_of(detections.boxes[a].score), a) <
             std::pair(key_of(detections.boxes[b].score), b);
    });
    return;
  }
  std::vector<PythonNumber> numbers;
  for (const std::uint32_t index : order) numbers.push_back(negated(score_of(detections, index)));
  const ArrayType type = array_type(numbers);
  for (PythonNumber& number : numbers) convert(number, type);
  const std::vector<std::uint32_t> before(order.begin(), order.end());
  const auto sorted = argsort(numbers);
  for (std::size_t i = 0; i < sorted.size(); ++i) order[i] = before[sorted[i]];
}

std::vector<std::uint32_t> sort_across_images(const Detections& detections,
                                              std::span<const RankedDetection> ranked, bool empty_images) {
  if (!detections.exact_scores.empty()) return sort_exactly(detections, ranked, empty_images);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keys(ranked.size());
  for (std::uint32_t i = 0; i < keys.size(); ++i)
    keys[i] = {key_of(detections.boxes[ranked[i].detection].score), i};
  std::sort(keys.begin(), keys.end());
  std::vector<std::uint32_t> order(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = keys[i].second;
  return order;
}

}  // namespace assay::eval::coco
