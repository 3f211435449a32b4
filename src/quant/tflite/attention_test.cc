#include "quant/tflite/attention.h"

#include "formats/tflite/model_testing.h"
#include "quant/tflite/static.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

// softmax((x Wq) (x Wk)^T) (x Wv): operators 0, 1 and 2 are the projections of queries, keys and values.
ModelBuilder attention() {
  ModelBuilder b;
  const int x = b.input("x", {400, 32});
  int projected[3];
  for (int i = 0; i < 3; ++i) {
    const int w = b.weights("w" + std::to_string(i), {32, 32}, std::vector<float>(1024, 0.1f));
    projected[i] = b.tensor("p" + std::to_string(i), {400, 32});
    b.add(Op::kFullyConnected, {x, w}, {projected[i]});
  }
  const int moved = b.tensor("moved", {400, 32}), scores = b.tensor("scores", {400, 400}),
            shares = b.tensor("shares", {400, 400});
  const int mixed = b.tensor("mixed", {400, 32});
  b.add(Op::kTranspose, {projected[1]}, {moved});
  b.add(Op::kBatchMatmul, {projected[0], moved}, {scores});
  b.add(Op::kSoftmax, {scores}, {shares});
  b.add(Op::kBatchMatmul, {shares, projected[2]}, {mixed});
  b.output(mixed);
  return b;
}

TEST(ScoreProjections, AreThoseOfQueriesAndKeysAndNotThatOfValues) {
  ModelBuilder b = attention();
  const auto found = score_projections(b.model());
  EXPECT_EQ(found, (std::vector<bool>{true, true, false, false, false, false, false}));
}

TEST(StaticQuantization, RoundsTheWeightsOfAGraphWithAttentionAndKeepsItsActivations) {
  ModelBuilder b = attention();
  const auto result =
      quantize_static(b.model(), ActivationRanges(b.model().main().tensors.size(), Range{-1, 1}), {});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.int8_weights, 3u);
  const Subgraph& graph = result->model.main();
  const Uses uses = find_uses(graph);
  int rounded_rows = 0, rounded_weights_alone = 0;
  for (const Operator& op : graph.operators) {
    if (op.op != Op::kFullyConnected) continue;
    const auto weights = static_cast<std::size_t>(op.inputs[1]);
    const bool is_int8 = graph.tensors[weights].type == TensorType::kInt8;
    rounded_rows += is_int8;
    rounded_weights_alone +=
        !is_int8 && graph.operators[static_cast<std::size_t>(uses.producer[weights])].op == Op::kDequantize;
    EXPECT_EQ(graph.tensors[static_cast<std::size_t>(op.outputs[0])].type, TensorType::kFloat32);
  }
  EXPECT_EQ(rounded_rows, 1) << "the projection of values";
  EXPECT_EQ(rounded_weights_alone, 2) << "those of queries and keys, whose products go through a softmax";
}

TEST(StaticQuantization, RoundsTheWeightsAloneWhereRowsAreFew) {
  ModelBuilder b = attention();
  for (Tensor& tensor : b.model().main().tensors) {
    for (std::int32_t& extent : tensor.shape) extent = extent == 400 ? 100 : extent;
  }
  const auto result =
      quantize_static(b.model(), ActivationRanges(b.model().main().tensors.size(), Range{-1, 1}), {});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->report.int8_weights, 3u);
  for (const Operator& op : result->model.main().operators) {
    if (op.op == Op::kFullyConnected) {
      EXPECT_EQ(result->model.main().tensors[static_cast<std::size_t>(op.inputs[1])].type,
                TensorType::kFloat32);
    }
  }
}

TEST(HasAttention, AsksForAProductOfTwoComputedTensors) {
  ModelBuilder b = attention();
  EXPECT_TRUE(has_attention(b.model()));
  ModelBuilder plain;
  const int x = plain.input("x", {400, 32});
  const int w = plain.weights("w", {32, 32}, std::vector<float>(1024, 0.1f));
  const int y = plain.tensor("y", {400, 32});
  plain.add(Op::kBatchMatmul, {x, w}, {y});
  plain.output(y);
  EXPECT_FALSE(has_attention(plain.model()));
}

}  // namespace
}  // namespace assay::tflite
