// Operators that choose: the k largest, rows by index, and what makes indices of values.

#include "detect/graph/graph_builder.h"
#include "detect/graph/run_testing.h"
#include "support/testing.h"

namespace assay::detect {
namespace {

using testing::ElementsAre;
using tflite::Op;
using tflite::TensorType;

TEST(TopK, GivesTheLargestOfEachRowBestFirst) {
  GraphBuilder graph;
  const Value x = graph.input("x", {2, 4});
  EXPECT_THAT(run(graph, graph.top_k(x, 3).first, {{1, 4, -2, 3, -8, -5, -7, -6}}),
              ElementsAre(4, 3, 1, -5, -6, -7));
}

TEST(TopK, GivesTheIndicesOfEqualOnesInTheirOrder) {
  GraphBuilder graph;
  const Value x = graph.input("x", {6});
  const Value indices = graph.top_k(x, 4).second;
  EXPECT_THAT(run(graph, graph.cast(indices, TensorType::kFloat32), {{2, 7, 2, 7, 9, 2}}),
              ElementsAre(4, 1, 3, 0));
}

TEST(TopK, RefusesMoreThanThereAre) {
  GraphBuilder graph;
  graph.output("output", graph.top_k(graph.input("x", {6}), 7).first);
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kCorrupt, "the 7 largest of [6]"));
}

TEST(Gather, TakesTheRowsThatTheIndicesName) {
  GraphBuilder graph;
  const Value x = graph.input("x", {3, 2});
  const Value indices = graph.constant_integers({2, 2}, {2, 0, 0, 1});
  const Value rows = graph.gather(x, indices, 0, 0);
  EXPECT_THAT(graph.shape(rows), ElementsAre(2, 2, 2));
  EXPECT_THAT(run(graph, rows, {{1, 2, 3, 4, 5, 6}}), ElementsAre(5, 6, 1, 2, 1, 2, 3, 4));
}

TEST(Gather, TakesEachBatchFromItsOwnPart) {
  GraphBuilder graph;
  const Value x = graph.input("x", {2, 3});
  const Value indices = graph.constant_integers({2, 1}, {2, 0});
  const Value chosen = graph.gather(x, indices, 1, 1);
  EXPECT_THAT(graph.shape(chosen), ElementsAre(2, 1));
  EXPECT_THAT(run(graph, chosen, {{1, 2, 3, 4, 5, 6}}), ElementsAre(3, 4));
}

TEST(Gather, RefusesIndicesThatAreNoIntegers) {
  GraphBuilder graph;
  const Value x = graph.input("x", {3});
  graph.output("output", graph.gather(x, x, 0, 0));
  EXPECT_THAT(graph.finish("test", {}), FailsWith(ErrorCode::kCorrupt, "gather of [3] and [3]"));
}

TEST(Cast, KeepsEveryIntegerUpTo24Bits) {
  GraphBuilder graph;
  const Value x = graph.input("x", {3});
  const Value back = graph.cast(graph.cast(x, TensorType::kInt32), TensorType::kFloat32);
  EXPECT_THAT(run(graph, back, {{0, 16777215, 16777216}}), ElementsAre(0, 16777215, 16777216));
}

TEST(Window, PutsZerosAtTheEndOnlyWithoutAnOperatorOfItsOwn) {
  GraphBuilder graph;
  const Value x = graph.input("x", {1, 2, 2, 1});
  const Value sums = graph.conv2d(x, graph.constant({1, 2, 2, 1}, {1, 1, 1, 1}), graph.constant({1}, {0}),
                                  {.padding_after = 1});
  graph.output("output", sums);
  const auto model = graph.finish("test", {});
  ASSERT_THAT(model, IsOk());
  ASSERT_EQ(model->main().operators.size(), 1u);
  GraphBuilder again;
  const Value y = again.input("x", {1, 2, 2, 1});
  EXPECT_THAT(run(again,
                  again.conv2d(y, again.constant({1, 2, 2, 1}, {1, 1, 1, 1}), again.constant({1}, {0}),
                               {.padding_after = 1}),
                  {{1, 2, 3, 4}}),
              ElementsAre(10, 6, 7, 4));
}

TEST(Constant, IsKeptOnceForTheSameNameAndValues) {
  GraphBuilder graph;
  const std::vector<float> values(100, 1.5f), others(100, 2.5f);
  const auto named = [&](const std::vector<float>& of) {
    return graph.constant("weight", {10, 10}, tflite::Data::own_values(of)).tensor;
  };
  const int first = named(values);
  EXPECT_EQ(named(values), first);
  EXPECT_NE(named(others), first);
  EXPECT_EQ(named(values), first);
  EXPECT_NE(graph.constant("weight", {100}, tflite::Data::own_values(values)).tensor, first);
}

}  // namespace
}  // namespace assay::detect
