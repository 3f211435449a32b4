#include "detect/graph/graph_builder.h"

#include <cmath>
#include <functional>
#include <limits>

#include "base/rng.h"
#include "detect/graph/fold.h"
#include "detect/graph/run_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

using testing::ElementsAre;
using tflite::Op;

std::vector<float> random_values(std::size_t count, std::uint64_t seed, double low = -2.0,
                                 double high = 2.0) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(low + (high - low) * rng.uniform());
  return values;
}

std::vector<Op> operators(GraphBuilder& graph, Value output) {
  graph.output("output", output);
  const auto model = graph.finish("test", {});
  EXPECT_THAT(model, IsOk());
  std::vector<Op> ops;
  if (model) {
    for (const auto& op : model->main().operators) ops.push_back(op.op);
  }
  return ops;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

TEST(GraphBuilder, ReportsAShapeThatDoesNotFitWithTheScope) {
  GraphBuilder graph;
  graph.set_scope("encoder.layers.3");
  const Value wrong = graph.add(graph.input("a", {2, 3}), graph.input("b", {4, 3}));
  EXPECT_FALSE(wrong.exists());
  graph.output("output", wrong);
  EXPECT_THAT(graph.finish("test", {}),
              FailsWith(ErrorCode::kCorrupt, "encoder.layers.3: add of [2, 3] and [4, 3]"));
}

TEST(GraphBuilder, ReportsTheFirstFailureOfMany) {
  GraphBuilder graph;
  const Value x = graph.input("x", {2, 3});
  graph.set_scope("first");
  const Value wrong = graph.reshape(x, {7});
  graph.set_scope("second");
  graph.output("output", graph.add(graph.reshape(x, {5}), wrong));
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kCorrupt, "first: reshape"));
}

TEST(GraphBuilder, RefusesShapesThatEachOperatorCannotTake) {
  const std::vector<std::function<Value(GraphBuilder&, Value)>> wrong = {
      [](GraphBuilder& g, Value x) { return g.batch_matmul(x, x, false); },
      [](GraphBuilder& g, Value x) {
        return g.fully_connected(x, g.constant({2, 2}, {1, 2, 3, 4}), g.constant({2}, {1, 2}));
      },
      [](GraphBuilder& g, Value x) {
        return g.transpose(x, {0, 0});
      },
      [](GraphBuilder& g, Value x) {
        return g.concat({x, g.input("y", {3, 4})}, 0);
      },
      [](GraphBuilder& g, Value x) {
        return g.concat({x, x}, 5);
      },
      [](GraphBuilder& g, Value x) {
        return g.slice(x, {1, 0}, {2, 3});
      },
      [](GraphBuilder& g, Value x) {
        return g.slice(x, {-1, 0}, {2, 3});
      },
      [](GraphBuilder& g, Value x) { return g.pad(x, {1}, {1}); },
      [](GraphBuilder& g, Value x) {
        return g.pad(x, {-1, 0}, {0, 0});
      },
      [](GraphBuilder& g, Value x) { return g.reduce(Op::kSum, x, 2); },
      [](GraphBuilder& g, Value x) { return g.cumsum(x, 2); },
      [](GraphBuilder& g, Value x) { return g.gather(x, x, 0, 0); },
      [](GraphBuilder& g, Value x) { return g.top_k(x, 4).first; },
      [](GraphBuilder& g, Value x) { return g.resize_nearest(x, 4, 4); },
      [](GraphBuilder& g, Value x) { return g.conv2d(x, x, x, {}); },
      [](GraphBuilder& g, Value x) { return g.max_pool2d(x, 2, {}); },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    GraphBuilder graph;
    const Value x = graph.input("x", {2, 3});
    EXPECT_FALSE(wrong[i](graph, x).exists()) << i;
    graph.output("output", graph.relu(x));
    EXPECT_FALSE(graph.finish("test", {}).has_value()) << i;
  }
}

// An operation on values of these shapes.
struct Foldable {
  const char* name;
  std::vector<Shape> shapes;
  std::function<Value(GraphBuilder&, const std::vector<Value>&)> apply;
  double low = -2.0, high = 2.0;
};

std::vector<Foldable> foldables() {
  using Values = const std::vector<Value>&;
  std::vector<Foldable> all = {
      {"add", {{2, 3, 4}, {3, 1}}, [](GraphBuilder& g, Values v) { return g.add(v[0], v[1]); }},
      {"sub", {{3, 1}, {2, 1, 4}}, [](GraphBuilder& g, Values v) { return g.sub(v[0], v[1]); }},
      {"mul", {{4}, {2, 3, 4}}, [](GraphBuilder& g, Values v) { return g.mul(v[0], v[1]); }},
      {"div", {{2, 3}, {1}}, [](GraphBuilder& g, Values v) { return g.div(v[0], v[1]); }, 0.5, 2.0},
      {"maximum", {{2, 3}, {2, 1}}, [](GraphBuilder& g, Values v) { return g.maximum(v[0], v[1]); }},
      {"minimum", {{2, 3}, {2, 1}}, [](GraphBuilder& g, Values v) { return g.minimum(v[0], v[1]); }},
      {"squared_difference",
       {{2, 3}, {3}},
       [](GraphBuilder& g, Values v) { return g.squared_difference(v[0], v[1]); }},
      {"relu", {{2, 9}}, [](GraphBuilder& g, Values v) { return g.relu(v[0]); }},
      {"relu6",
       {{2, 9}},
       [](GraphBuilder& g, Values v) { return g.activate(v[0], Activation::kRelu6); },
       -9,
       9},
      {"gelu", {{2, 9}}, [](GraphBuilder& g, Values v) { return g.gelu(v[0]); }},
      {"softmax", {{3, 5}}, [](GraphBuilder& g, Values v) { return g.softmax(v[0]); }},
      {"transpose",
       {{2, 3, 4}},
       [](GraphBuilder& g, Values v) {
         return g.transpose(v[0], {2, 0, 1});
       }},
      {"concat", {{2, 3}, {2, 1}}, [](GraphBuilder& g, Values v) { return g.concat(v, -1); }},
      {"concat first", {{1, 3}, {2, 3}}, [](GraphBuilder& g, Values v) { return g.concat(v, 0); }},
      {"slice",
       {{3, 4, 5}},
       [](GraphBuilder& g, Values v) {
         return g.slice(v[0], {1, 0, 2}, {2, 4, 2});
       }},
      {"reshape",
       {{3, 4}},
       [](GraphBuilder& g, Values v) {
         return g.reshape(v[0], {2, 6});
       }},
      {"batch_matmul",
       {{2, 3, 4}, {1, 4, 5}},
       [](GraphBuilder& g, Values v) { return g.batch_matmul(v[0], v[1], false); }},
      {"batch_matmul transposed",
       {{2, 3, 4}, {2, 5, 4}},
       [](GraphBuilder& g, Values v) { return g.batch_matmul(v[0], v[1], true); }},
      {"fully_connected",
       {{3, 4}, {2, 4}, {2}},
       [](GraphBuilder& g, Values v) { return g.fully_connected(v[0], v[1], v[2]); }},
  };
  for (const Op op : {Op::kMean, Op::kSum, Op::kReduceMax}) {
    for (const int axis : {0, 1, -1})
      all.push_back(
          {"reduce", {{3, 4, 5}}, [=](GraphBuilder& g, Values v) { return g.reduce(op, v[0], axis); }});
  }
  for (const Op op :
       {Op::kLogistic, Op::kTanh, Op::kExp, Op::kNeg, Op::kAbs, Op::kFloor, Op::kSin, Op::kCos, Op::kSquare})
    all.push_back({"unary", {{2, 9}}, [=](GraphBuilder& g, Values v) { return g.unary(op, v[0]); }});
  for (const Op op : {Op::kLog, Op::kSqrt, Op::kRsqrt})
    all.push_back(
        {"unary", {{2, 9}}, [=](GraphBuilder& g, Values v) { return g.unary(op, v[0]); }, 0.2, 3.0});
  return all;
}

TEST(GraphBuilder, FoldsConstantsToWhatTheOperatorGives) {
  std::uint64_t seed = 1;
  for (const Foldable& foldable : foldables()) {
    std::vector<std::vector<float>> values;
    GraphBuilder folding, running;
    std::vector<Value> constants, inputs;
    for (std::size_t i = 0; i < foldable.shapes.size(); ++i) {
      const Shape& shape = foldable.shapes[i];
      values.push_back(random_values(element_count(shape), ++seed, foldable.low, foldable.high));
      constants.push_back(folding.constant(shape, values.back()));
      inputs.push_back(running.input("input" + std::to_string(i), shape));
    }
    const Value folded = foldable.apply(folding, constants), computed = foldable.apply(running, inputs);
    ASSERT_TRUE(folding.is_constant(folded)) << foldable.name;
    EXPECT_EQ(folding.shape(folded), running.shape(computed)) << foldable.name;
    EXPECT_LE(largest_difference(folding.values(folded), run(running, computed, values)), 4e-6)
        << foldable.name << " " << seed;
  }
}

TEST(GraphBuilder, FoldsNumbersToIndices) {
  GraphBuilder graph;
  const Value x = graph.input("x", {4});
  const Value indices = graph.cast(graph.constant({3}, {2.0f, 0.0f, 3.9f}), tflite::TensorType::kInt32);
  ASSERT_TRUE(graph.is_constant(indices));
  EXPECT_THAT(run(graph, graph.gather(x, indices, 0, 0), {{10.0f, 11.0f, 12.0f, 13.0f}}),
              ElementsAre(12.0f, 10.0f, 13.0f));
}

// One direction of PyTorch's windows: where tap `tap` of window `out` reads; -1 beyond the input.
int source(int out, int tap, int in, const Window& window) {
  const int at = out * window.stride - window.padding + tap * window.dilation;
  return at < in ? at : -1;
}
int outputs_of(int in, int kernel, const Window& window) {
  const int room = in + 2 * window.padding - window.dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  int out = (window.ceil_mode ? (room + window.stride - 1) / window.stride : room / window.stride) + 1;
  if (window.ceil_mode && (out - 1) * window.stride >= in + window.padding) --out;
  return out;
}

// Calls visit for every output position with a function that gives the taps' positions.
using Taps = std::vector<std::pair<int, int>>;  // index of the tap, position in the input
template <typename Visit>
void for_each_window(int height, int width, int kernel, const Window& window, Visit visit) {
  for (int y = 0; y < outputs_of(height, kernel, window); ++y) {
    for (int x = 0; x < outputs_of(width, kernel, window); ++x) {
      Taps taps;
      for (int i = 0; i < kernel; ++i) {
        for (int j = 0; j < kernel; ++j) {
          const int row = source(y, i, height, window), column = source(x, j, width, window);
          if (row >= 0 && column >= 0) taps.push_back({i * kernel + j, row * width + column});
        }
      }
      visit(taps);
    }
  }
}

template <typename Check>
void for_each_shape(Check check) {
  for (const auto& [height, width] : {std::pair(5, 6), std::pair(6, 5), std::pair(7, 7), std::pair(8, 8)}) {
    for (const int kernel : {1, 2, 3, 5}) {
      for (const int stride : {1, 2, 3}) check(height, width, kernel, stride);
    }
  }
}

TEST(GraphBuilder, PadsConvolutionsAsPyTorchDoes) {
  constexpr int kIn = 2, kOut = 3;
  int checked = 0;
  for_each_shape([&](int height, int width, int kernel, int stride) {
    for (const int dilation : {1, 2}) {
      for (const int padding : {0, 1, 2}) {
        const Window window{.stride = stride, .dilation = dilation, .padding = padding};
        if (outputs_of(height, kernel, window) < 1 || outputs_of(width, kernel, window) < 1) continue;
        const auto values = random_values(static_cast<std::size_t>(height * width * kIn), 1);
        const auto weights = random_values(static_cast<std::size_t>(kOut * kernel * kernel * kIn), 2);
        const std::vector<float> bias = {0.5f, -0.25f, 1.0f};
        std::vector<float> expected;
        for_each_window(height, width, kernel, window, [&](const Taps& taps) {
          for (int o = 0; o < kOut; ++o) {
            double sum = bias[static_cast<std::size_t>(o)];
            for (const auto& [tap, at] : taps) {
              for (int c = 0; c < kIn; ++c)
                sum += static_cast<double>(values[static_cast<std::size_t>(at * kIn + c)]) *
                       weights[static_cast<std::size_t>((o * kernel * kernel + tap) * kIn + c)];
            }
            expected.push_back(static_cast<float>(sum));
          }
        });
        GraphBuilder graph;
        const Value x = graph.input("x", {1, height, width, kIn});
        const Value y = graph.conv2d(x, graph.constant({kOut, kernel, kernel, kIn}, weights),
                                     graph.constant({kOut}, bias), window);
        ASSERT_LE(largest_difference(run(graph, y, {values}), expected), 1e-4)
            << height << "x" << width << " kernel " << kernel << " stride " << stride << " dilation "
            << dilation << " padding " << padding;
        ++checked;
      }
    }
  });
  EXPECT_GT(checked, 200);
}

TEST(GraphBuilder, PadsDepthwiseConvolutionsAsPyTorchDoes) {
  constexpr int kChannels = 3;
  for_each_shape([&](int height, int width, int kernel, int stride) {
    const Window window{.stride = stride, .padding = kernel / 2};
    const auto values = random_values(static_cast<std::size_t>(height * width * kChannels), 1);
    const auto weights = random_values(static_cast<std::size_t>(kernel * kernel * kChannels), 2);
    std::vector<float> expected;
    for_each_window(height, width, kernel, window, [&](const Taps& taps) {
      for (int c = 0; c < kChannels; ++c) {
        double sum = 0;
        for (const auto& [tap, at] : taps)
          sum += static_cast<double>(values[static_cast<std::size_t>(at * kChannels + c)]) *
                 weights[static_cast<std::size_t>(tap * kChannels + c)];
        expected.push_back(static_cast<float>(sum));
      }
    });
    GraphBuilder graph;
    const Value x = graph.input("x", {1, height, width, kChannels});
    const Value y = graph.depthwise_conv2d(x, graph.constant({1, kernel, kernel, kChannels}, weights),
                                           graph.constant({kChannels}, {0, 0, 0}), window);
    ASSERT_LE(largest_difference(run(graph, y, {values}), expected), 1e-4)
        << height << "x" << width << " kernel " << kernel << " stride " << stride;
  });
}

TEST(GraphBuilder, PoolsAsPyTorchDoes) {
  int uneven = 0, beyond = 0;
  for_each_shape([&](int height, int width, int kernel, int stride) {
    for (const bool largest : {true, false}) {
      // PyTorch pads by half a window at most; padded averages are refused.
      for (int padding = 0; padding <= (largest ? kernel / 2 : 0); ++padding) {
        for (const bool ceil_mode : {false, true}) {
          if (largest && ceil_mode) continue;
          const Window window{.stride = stride, .padding = padding, .ceil_mode = ceil_mode};
          const auto values = random_values(static_cast<std::size_t>(height * width), 1);
          std::vector<float> expected;
          for_each_window(height, width, kernel, window, [&](const Taps& taps) {
            double most = 0, sum = 0;
            for (const auto& [tap, at] : taps) {
              const double value = std::max(values[static_cast<std::size_t>(at)], 0.0f);
              most = std::max(most, value);
              sum += value;
            }
            expected.push_back(static_cast<float>(largest ? most : sum / static_cast<double>(taps.size())));
          });
          GraphBuilder graph;
          const Value x = graph.relu(graph.input("x", {1, height, width, 1}));
          const Value y =
              largest ? graph.max_pool2d(x, kernel, window) : graph.average_pool2d(x, kernel, window);
          // The runtime counts what is beyond the input out of an average only where it is even on both
          // sides.
          const bool reaches =
              ceil_mode && outputs_of(height, kernel, window) * outputs_of(width, kernel, window) !=
                               outputs_of(height, kernel, {.stride = stride}) *
                                   outputs_of(width, kernel, {.stride = stride});
          if (reaches && !y.exists()) {
            ++uneven;
            continue;
          }
          beyond += reaches ? 1 : 0;
          ASSERT_LE(largest_difference(run(graph, y, {values}), expected), 1e-5)
              << height << "x" << width << " kernel " << kernel << " stride " << stride << " padding "
              << padding << " ceil " << ceil_mode << " largest " << largest;
        }
      }
    }
  });
  EXPECT_GT(uneven, 0);
  EXPECT_GT(beyond, 0);
}

TEST(GraphBuilder, RefusesAveragesThatReachBeyondTheInputUnevenly) {
  GraphBuilder graph;
  graph.output("output",
               graph.average_pool2d(graph.input("x", {1, 6, 6, 1}), 3, {.stride = 1, .padding = 0}));
  EXPECT_THAT(graph.finish("test", {}), IsOk());
  graph.output("output",
               graph.average_pool2d(graph.input("x", {1, 7, 7, 1}), 3, {.stride = 3, .ceil_mode = true}));
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kUnsupported, "averages whose windows"));
}

TEST(GraphBuilder, RefusesAPaddedMaximumOverValuesThatMayBeNegative) {
  GraphBuilder graph;
  graph.output("output", graph.max_pool2d(graph.input("x", {1, 6, 6, 1}), 3, {.stride = 2, .padding = 1}));
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kUnsupported, "does not follow a ReLU"));
}

TEST(GraphBuilder, PutsAnActivationIntoTheOperatorBeforeIt) {
  GraphBuilder graph;
  const Value x = graph.input("x", {4});
  const Value y = graph.relu(graph.add(x, graph.constant({4}, {1, -1, 2, -2})));
  graph.output("output", y);
  const auto model = graph.finish("test", {});
  ASSERT_THAT(model, IsOk());
  ASSERT_EQ(model->main().operators.size(), 1u);
  EXPECT_EQ(model->main().operators[0].options.integer("fused_activation_function"), 1);
  EXPECT_THAT(run(*model, {{0.5f, 0.5f, -3.0f, 3.0f}})["output"], ElementsAre(1.5f, 0.0f, 0.0f, 1.0f));
}

TEST(GraphBuilder, LeavesAValueThatIsReadBeforeOrAfterItsActivation) {
  for (const bool before : {true, false}) {
    GraphBuilder graph;
    const Value x = graph.input("x", {2});
    const Value y = graph.add(x, graph.constant({2}, {1, -1}));
    Value negative, positive;
    if (before) negative = graph.unary(Op::kNeg, y);
    positive = graph.relu(y);
    if (!before) negative = graph.unary(Op::kNeg, y);
    EXPECT_THAT(run(graph, graph.concat({negative, positive}, 0), {{0.5f, 0.5f}}),
                ElementsAre(-1.5f, 0.5f, 1.5f, 0.0f));
  }
}

TEST(GraphBuilder, LeavesAnOutputThatIsActivatedForAnotherOutput) {
  GraphBuilder graph;
  const Value x = graph.input("x", {2});
  const Value y = graph.add(x, graph.constant({2}, {1, -1}));
  graph.output("before", y);
  graph.output("after", graph.relu(y));
  const auto model = graph.finish("test", {});
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(run(*model, {{0.5f, 0.5f}})["before"], ElementsAre(1.5f, -0.5f));
}

TEST(GraphBuilder, MakesATransposeThatMovesNothingAReshape) {
  GraphBuilder moving, still;
  EXPECT_THAT(operators(moving, moving.transpose(moving.input("x", {1, 3, 4}), {0, 2, 1})),
              ElementsAre(Op::kTranspose));
  EXPECT_THAT(operators(still, still.transpose(still.input("x", {3, 1, 4}), {1, 0, 2})),
              ElementsAre(Op::kReshape));
}

TEST(GraphBuilder, ReadsThroughReshapes) {
  GraphBuilder twice, back;
  EXPECT_THAT(operators(twice, twice.reshape(twice.reshape(twice.input("x", {3, 4}), {2, 6}), {12})),
              ElementsAre(Op::kReshape));
  const Value x = back.relu(back.input("x", {3, 4}));
  EXPECT_EQ(back.reshape(back.reshape(x, {12}), {3, 4}).tensor, x.tensor);
}

TEST(GraphBuilder, LeavesOutWhatNoOutputNeeds) {
  GraphBuilder graph;
  const Value x = graph.input("x", {2});
  graph.unary(Op::kExp, graph.mul(x, x));
  EXPECT_THAT(operators(graph, graph.unary(Op::kNeg, x)), ElementsAre(Op::kNeg));
}

TEST(GraphBuilder, SharesSmallConstantsOfTheSameShapeAndValues) {
  GraphBuilder graph;
  const Value a = graph.constant({2}, {1, 2}), b = graph.constant({2}, {1, 2});
  EXPECT_EQ(a.tensor, b.tensor);
  EXPECT_NE(a.tensor, graph.constant({2, 1}, {1, 2}).tensor);
  EXPECT_NE(a.tensor, graph.constant({2}, {1, 3}).tensor);
  EXPECT_NE(graph.constant({1}, {0.0f}).tensor, graph.constant({1}, {-0.0f}).tensor);
  // The bits of these integers are those of the numbers above.
  EXPECT_NE(a.tensor, graph.constant_integers({2}, {0x3f800000, 0x40000000}).tensor);
}

TEST(GraphBuilder, RefusesAnOutputThatDoesNotDependOnAnInput) {
  GraphBuilder graph;
  graph.output("output", graph.add(graph.constant(1.0f), graph.constant(2.0f)));
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kUnsupported, "output"));
}

TEST(GraphBuilder, RefusesTensorsBeyondAnyDetector) {
  GraphBuilder graph;
  graph.input("x", {1 << 20, 1 << 20});
  graph.set_scope("");
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kUnsupported, "x: a tensor of shape"));
}

}  // namespace
}  // namespace assay::detect
