#include "quant/tflite/int8_rules.h"

#include <limits>

namespace assay::tflite {
namespace {

Int8Rule weighted(std::int32_t version) { return {ScaleRule::kWeighted, 0, 0, version}; }
Int8Rule same(std::int32_t version) { return {ScaleRule::kSame, 0, 0, version}; }
Int8Rule free(std::int32_t version) { return {ScaleRule::kFree, 0, 0, version}; }
Int8Rule fixed(float scale, std::int64_t zero_point, std::int32_t version) {
  return {ScaleRule::kFixed, scale, zero_point, version};
}
Int8Rule slow(Int8Rule rule) {
  rule.slow = true;
  return rule;
}
Int8Rule sensitive(Int8Rule rule) {
  rule.sensitive = true;
  return rule;
}

std::optional<Int8Rule> arithmetic_rule(Op op) {
  switch (op) {
    case Op::kConv2d:
    case Op::kDepthwiseConv2d:
      return weighted(3);
    case Op::kFullyConnected:
      return weighted(4);
    case Op::kTransposeConv:
      return weighted(2);
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kRelu:
    case Op::kRelu6:
    case Op::kLeakyRelu:
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kMean:
      return free(2);
    case Op::kPrelu:
    case Op::kHardSwish:
      return slow(free(1));
    case Op::kReluN1To1:
    case Op::kElu:
      return free(1);
    case Op::kSum:
    case Op::kGelu:
      return free(2);
    case Op::kBatchMatmul:
      return sensitive(free(2));
    case Op::kSquaredDifference:
    case Op::kRsqrt:
    case Op::kSqrt:
      return sensitive(free(2));
    case Op::kSoftmax:
      return fixed(1.0f / 256, -128, 2);
    case Op::kLogistic:
      return fixed(1.0f / 256, -128, 2);
    case Op::kTanh:
      return fixed(1.0f / 128, 0, 2);
    case Op::kLogSoftmax:
      return fixed(16.0f / 256, 127, 2);
    case Op::kL2Normalization:
      return fixed(1.0f / 128, 0, 2);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Int8Rule> int8_rule(Op op) {
  switch (op) {
    case Op::kReshape:
    case Op::kSqueeze:
    case Op::kExpandDims:
    case Op::kMirrorPad:
    case Op::kGatherNd:
      return same(1);
    case Op::kTranspose:
    case Op::kPad:
    case Op::kPadv2:
    case Op::kMaxPool2d:
    case Op::kAveragePool2d:
    case Op::kConcatenation:
    case Op::kResizeBilinear:
    case Op::kResizeNearestNeighbor:
    case Op::kSlice:
    case Op::kStridedSlice:
    case Op::kSplit:
    case Op::kSplitV:
    case Op::kUnpack:
    case Op::kPack:
    case Op::kGather:
    case Op::kTile:
    case Op::kBroadcastTo:
    case Op::kDepthToSpace:
    case Op::kSpaceToDepth:
    case Op::kSpaceToBatchNd:
    case Op::kBatchToSpaceNd:
    case Op::kReduceMax:
    case Op::kReduceMin:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kSelect:
    case Op::kSelectV2:
    case Op::kDynamicUpdateSlice:
      return same(2);
    default:
      return arithmetic_rule(op);
  }
}

std::optional<Range> saturation(Op op) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (op) {
    case Op::kLogistic:  // logistic(-8) = 0.0003; half of the scale is 0.0020
      return Range{-8, 8};
    case Op::kTanh:  // 1 - tanh(4) = 0.0007; half of the scale is 0.0039
      return Range{-4, 4};
    case Op::kRelu:
      return Range{0, kInfinity};
    case Op::kRelu6:
      return Range{0, 6};
    case Op::kReluN1To1:
      return Range{-1, 1};
    case Op::kHardSwish:
      return Range{-3, kInfinity};
    case Op::kGelu:  // gelu(-4) = -0.0001
      return Range{-4, kInfinity};
    default:
      return std::nullopt;
  }
}

}  // namespace assay::tflite
