// Which operators are quantized, and with which scales: decided before anything is changed.
#pragma once
#include <optional>
#include <vector>

#include "formats/tflite/model.h"
#include "quant/tflite/activation_ranges.h"
#include "quant/tflite/kernel_rules.h"
#include "quant/tflite/static.h"

namespace assay::tflite {

struct ScaleParams {
  float scale = 1;
  std::int64_t zero_point = 0;
  friend auto operator<=>(const ScaleParams&, const ScaleParams&) = default;
};

// The scale that covers a range, zero among it exactly.
ScaleParams scale_params(Range range, Activations activations);

struct StaticPlan {
  std::vector<bool> quantized;                  // by operator
  std::vector<std::optional<ScaleParams>> own;  // by tensor: as its producer writes it, where quantized
  std::vector<int> producer;                    // by tensor: index of operator, or -1
  std::vector<WideConcat> wide_concats;

  // Whether the tensor is written as an integer.
  bool is_quantized(int tensor) const {
    const int op = producer[static_cast<std::size_t>(tensor)];
    return op >= 0 && quantized[static_cast<std::size_t>(op)];
  }
  // With which scale a quantized operator wants its input; nothing for those that are not quantized
  // (indices).
  std::optional<ScaleParams> wanted(const Subgraph& graph, const Operator& op, int tensor) const;
};

// `ranges` by tensor of the main subgraph; `forced_float` by operator, or empty: none.
StaticPlan plan_static(const Model& model, const ActivationRanges& ranges, const StaticOptions& options,
                       const std::vector<bool>& forced_float);

}  // namespace assay::tflite
