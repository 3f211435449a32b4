#include "quant/tflite/kernel_rules.h"

#include <limits>

namespace assay::tflite {
namespace {

KernelRule weighted(std::int32_t version) { return {ScaleRule::kWeighted, 0, 0, version}; }
KernelRule same(std::int32_t version) { return {ScaleRule::kSame, 0, 0, version}; }
KernelRule free(std::int32_t version) { return {ScaleRule::kFree, 0, 0, version}; }
KernelRule fixed(float scale, std::int64_t zero_point, std::int32_t version) {
  return {ScaleRule::kFixed, scale, zero_point, version};
}
KernelRule slow(KernelRule rule) {
  rule.slow = true;
  return rule;
}
KernelRule sensitive(KernelRule rule) {
  rule.sensitive = true;
  return rule;
}

std::optional<KernelRule> arithmetic_rule(Op op) {
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

std::optional<KernelRule> int8_rule(Op op) {
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

// From which version of the operator on int16 is described; 0 where LiteRT 2.3 has no such kernel, where it
// computes something else (PRELU), or loses what int16 is for (RSQRT: 33 dB). The others keep int8's.
std::int32_t int16_version(Op op, std::int32_t of_int8) {
  switch (op) {
    case Op::kSquaredDifference:
    case Op::kReluN1To1:
    case Op::kHardSwish:
    case Op::kElu:
    case Op::kLogSoftmax:
    case Op::kL2Normalization:
    case Op::kDepthToSpace:
    case Op::kSpaceToDepth:
    case Op::kPrelu:
    case Op::kRsqrt:
      return 0;
    case Op::kMaxPool2d:
    case Op::kAveragePool2d:
    case Op::kRelu:
    case Op::kRelu6:
    case Op::kPack:
    case Op::kAdd:
    case Op::kGatherNd:
    case Op::kTanh:
    case Op::kLogistic:
    case Op::kBatchMatmul:
    case Op::kPad:
    case Op::kPadv2:
    case Op::kConcatenation:
    case Op::kSoftmax:
    case Op::kMean:
    case Op::kMirrorPad:
    case Op::kReduceMax:
    case Op::kReduceMin:
    case Op::kTransposeConv:
      return 3;
    case Op::kConv2d:
    case Op::kGather:
    case Op::kMul:
    case Op::kSplit:
    case Op::kSlice:
    case Op::kUnpack:
    case Op::kResizeBilinear:
    case Op::kResizeNearestNeighbor:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kSpaceToBatchNd:
    case Op::kBatchToSpaceNd:
    case Op::kEqual:
      return 4;
    case Op::kDepthwiseConv2d:
    case Op::kTranspose:
    case Op::kSub:
      return 5;
    case Op::kFullyConnected:
      return 7;
    default:
      return of_int8;
  }
}

// XNNPACK takes none, so none is slow beside the others; and none is too coarse.
std::optional<KernelRule> int16_rule(Op op) {
  auto rule = int8_rule(op);
  if (!rule) return std::nullopt;
  rule->version = int16_version(op, rule->version);
  if (rule->version == 0) return std::nullopt;
  rule->slow = rule->sensitive = false;
  if (rule->rule == ScaleRule::kFixed) {
    rule->output_scale = 1.0f / 32768;
    rule->output_zero_point = 0;
  }
  return rule;
}

}  // namespace

std::optional<KernelRule> kernel_rule(Op op, Activations activations) {
  return activations == Activations::kInt8 ? int8_rule(op) : int16_rule(op);
}

std::optional<Range> saturation(Op op, Activations activations) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool fine = activations == Activations::kInt16;
  switch (op) {
    case Op::kLogistic: {
      // logistic(-8) = 3e-4, half of the int8 scale 2e-3; logistic(-12) = 6e-6, half of the int16 scale 15e-6
      const float limit = fine ? 12 : 8;
      return Range{-limit, limit};
    }
    case Op::kTanh: {
      // 1 - tanh(4) = 7e-4, half of the int8 scale 4e-3; 1 - tanh(6) = 12e-6, half of the int16 scale 15e-6
      const float limit = fine ? 6 : 4;
      return Range{-limit, limit};
    }
    case Op::kRelu:
      return Range{0, kInfinity};
    case Op::kRelu6:
      return Range{0, 6};
    case Op::kReluN1To1:
      return Range{-1, 1};
    case Op::kHardSwish:
      return Range{-3, kInfinity};
    case Op::kGelu:  // gelu(-4) = -1e-4, gelu(-6) = -6e-9
      return Range{fine ? -6.0f : -4.0f, kInfinity};
    default:
      return std::nullopt;
  }
}

}  // namespace assay::tflite
