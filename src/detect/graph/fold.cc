#include "detect/graph/fold.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/tensor_view.h"

namespace assay::detect {
namespace {

using tflite::Op;

// Elements to step over for one step along each dimension of `shape`, 0 where it is repeated to fill
// `larger`.
std::vector<std::size_t> steps(const Shape& shape, const Shape& larger) {
  std::vector<std::size_t> result(larger.size(), 0);
  std::size_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1) result[i + larger.size() - shape.size()] = step;
    step *= static_cast<std::size_t>(shape[i]);
  }
  return result;
}

// Calls visit(index of the result, offsets...) for every element of `shape` in order.
template <typename Visit>
void for_each(const Shape& shape, const std::vector<std::vector<std::size_t>>& all_steps, Visit visit) {
  std::vector<std::int32_t> at(shape.size(), 0);
  std::vector<std::size_t> offsets(all_steps.size(), 0);
  const std::size_t count = element_count(shape);
  for (std::size_t i = 0; i < count; ++i) {
    visit(i, offsets);
    for (std::size_t d = shape.size(); d-- > 0;) {
      ++at[d];
      for (std::size_t k = 0; k < all_steps.size(); ++k) offsets[k] += all_steps[k][d];
      if (at[d] < shape[d]) break;
      for (std::size_t k = 0; k < all_steps.size(); ++k)
        offsets[k] -= all_steps[k][d] * static_cast<std::size_t>(shape[d]);
      at[d] = 0;
    }
  }
}

double apply(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return a + b;
    case Op::kSub:
      return a - b;
    case Op::kMul:
      return a * b;
    case Op::kDiv:
      return a / b;
    case Op::kMaximum:
      return std::max(a, b);
    case Op::kMinimum:
      return std::min(a, b);
    case Op::kSquaredDifference:
      return (a - b) * (a - b);
    default:
      ASSAY_CHECK(false);
  }
  return 0;
}

double apply(Op op, double x) {
  switch (op) {
    case Op::kLogistic:
      return 1.0 / (1.0 + std::exp(-x));
    case Op::kTanh:
      return std::tanh(x);
    case Op::kExp:
      return std::exp(x);
    case Op::kLog:
      return std::log(x);
    case Op::kSqrt:
      return std::sqrt(x);
    case Op::kRsqrt:
      return 1.0 / std::sqrt(x);
    case Op::kNeg:
      return -x;
    case Op::kAbs:
      return std::abs(x);
    case Op::kFloor:
      return std::floor(x);
    case Op::kSin:
      return std::sin(x);
    case Op::kCos:
      return std::cos(x);
    case Op::kSquare:
      return x * x;
    case Op::kRelu:
      return std::max(x, 0.0);
    case Op::kRelu6:
      return std::min(std::max(x, 0.0), 6.0);
    case Op::kGelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    default:
      ASSAY_CHECK(false);
  }
  return 0;
}

}  // namespace

std::size_t element_count(const Shape& shape) {
  std::size_t count = 1;
  for (const std::int32_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

std::string text_of(const Shape& shape) { return shape_text({shape.begin(), shape.end()}); }

std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t from_end = result.size() - i;
    const std::int32_t left = from_end <= a.size() ? a[a.size() - from_end] : 1;
    const std::int32_t right = from_end <= b.size() ? b[b.size() - from_end] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    result[i] = std::max(left, right);
  }
  return result;
}

FloatTensor fold_binary(Op op, const FloatTensor& a, const FloatTensor& b) {
  FloatTensor result{*broadcast_shape(a.shape, b.shape), {}};
  result.values.resize(element_count(result.shape));
  for_each(result.shape, {steps(a.shape, result.shape), steps(b.shape, result.shape)},
           [&](std::size_t i, const std::vector<std::size_t>& offsets) {
             result.values[i] = static_cast<float>(apply(op, a.values[offsets[0]], b.values[offsets[1]]));
           });
  return result;
}

FloatTensor fold_unary(Op op, const FloatTensor& x) {
  FloatTensor result = x;
  for (float& value : result.values) value = static_cast<float>(apply(op, value));
  return result;
}

FloatTensor fold_softmax(const FloatTensor& x) {
  FloatTensor result = x;
  const auto width = static_cast<std::size_t>(x.shape.back());
  std::vector<double> powers(width);
  for (std::size_t row = 0; row < x.values.size(); row += width) {
    const float* values = x.values.data() + row;
    const double largest = *std::max_element(values, values + width);
    for (std::size_t i = 0; i < width; ++i) powers[i] = std::exp(values[i] - largest);
    const double sum = std::accumulate(powers.begin(), powers.end(), 0.0);
    for (std::size_t i = 0; i < width; ++i) result.values[row + i] = static_cast<float>(powers[i] / sum);
  }
  return result;
}

FloatTensor fold_reduce(Op op, const FloatTensor& x, int axis) {
  FloatTensor result{x.shape, {}};
  const auto dimension = static_cast<std::size_t>(axis);
  const auto extent = static_cast<std::size_t>(x.shape[dimension]);
  result.shape[dimension] = 1;
  const std::size_t inner = element_count({x.shape.begin() + axis + 1, x.shape.end()});
  const std::size_t outer = element_count({x.shape.begin(), x.shape.begin() + axis});
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < inner; ++i) {
      const float* first = x.values.data() + o * extent * inner + i;
      double total = op == Op::kReduceMax ? first[0] : 0.0;
      for (std::size_t k = 0; k < extent; ++k) {
        const double value = first[k * inner];
        total = op == Op::kReduceMax ? std::max(total, value) : total + value;
      }
      result.values.push_back(
          static_cast<float>(op == Op::kMean ? total / static_cast<double>(extent) : total));
    }
  }
  return result;
}

FloatTensor fold_transpose(const FloatTensor& x, const std::vector<std::int32_t>& order) {
  const auto of_source = steps(x.shape, x.shape);
  FloatTensor result;
  std::vector<std::size_t> of_result;
  for (const std::int32_t dimension : order) {
    result.shape.push_back(x.shape[static_cast<std::size_t>(dimension)]);
    of_result.push_back(of_source[static_cast<std::size_t>(dimension)]);
  }
  result.values.resize(x.values.size());
  for_each(result.shape, {of_result}, [&](std::size_t i, const std::vector<std::size_t>& offsets) {
    result.values[i] = x.values[offsets[0]];
  });
  return result;
}

FloatTensor fold_concat(const std::vector<FloatTensor>& parts, int axis) {
  FloatTensor result{parts.front().shape, {}};
  const auto dimension = static_cast<std::size_t>(axis);
  result.shape[dimension] = 0;
  for (const FloatTensor& part : parts) result.shape[dimension] += part.shape[dimension];
  const std::size_t outer = element_count({result.shape.begin(), result.shape.begin() + axis});
  for (std::size_t o = 0; o < outer; ++o) {
    for (const FloatTensor& part : parts) {
      const std::size_t block = part.values.size() / outer;
      const auto first = part.values.begin() + static_cast<std::ptrdiff_t>(o * block);
      result.values.insert(result.values.end(), first, first + static_cast<std::ptrdiff_t>(block));
    }
  }
  return result;
}

FloatTensor fold_slice(const FloatTensor& x, const std::vector<std::int32_t>& begin, const Shape& size) {
  const auto step = steps(x.shape, x.shape);
  std::size_t first = 0;
  for (std::size_t d = 0; d < begin.size(); ++d) first += step[d] * static_cast<std::size_t>(begin[d]);
  FloatTensor result{size, std::vector<float>(element_count(size))};
  for_each(size, {step}, [&](std::size_t i, const std::vector<std::size_t>& offsets) {
    result.values[i] = x.values[first + offsets[0]];
  });
  return result;
}

FloatTensor fold_batch_matmul(const FloatTensor& a, const FloatTensor& b, bool transpose_b,
                              const Shape& shape) {
  const Shape batch(shape.begin(), shape.end() - 2);
  const auto rows = static_cast<std::size_t>(shape[shape.size() - 2]);
  const auto columns = static_cast<std::size_t>(shape.back());
  const auto depth = static_cast<std::size_t>(a.shape.back());
  FloatTensor result{shape, std::vector<float>(element_count(shape))};
  const auto of_a = steps({a.shape.begin(), a.shape.end() - 2}, batch);
  const auto of_b = steps({b.shape.begin(), b.shape.end() - 2}, batch);
  for_each(batch, {of_a, of_b}, [&](std::size_t i, const std::vector<std::size_t>& offsets) {
    const float* left = a.values.data() + offsets[0] * rows * depth;
    const float* right = b.values.data() + offsets[1] * depth * columns;
    float* out = result.values.data() + i * rows * columns;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (std::size_t k = 0; k < depth; ++k)
          sum +=
              static_cast<double>(left[r * depth + k]) * right[transpose_b ? c * depth + k : k * columns + c];
        out[r * columns + c] = static_cast<float>(sum);
      }
    }
  });
  return result;
}

FloatTensor fold_fully_connected(const FloatTensor& x, const FloatTensor& weights, const FloatTensor& bias) {
  const auto depth = static_cast<std::size_t>(x.shape.back());
  const auto columns = static_cast<std::size_t>(weights.shape[0]);
  FloatTensor result{x.shape, {}};
  result.shape.back() = weights.shape[0];
  for (std::size_t row = 0; row < x.values.size() / depth; ++row) {
    for (std::size_t c = 0; c < columns; ++c) {
      double sum = bias.values[c];
      for (std::size_t k = 0; k < depth; ++k)
        sum += static_cast<double>(x.values[row * depth + k]) * weights.values[c * depth + k];
      result.values.push_back(static_cast<float>(sum));
    }
  }
  return result;
}

}  // namespace assay::detect
