#include "engine/operation_recorder.h"

namespace assay {

std::string_view name(Operation operation) {
  static constexpr std::array<std::string_view, kNumOperations> kNames = {
      "embedding", "norms",      "qkv",  "rope",     "attention", "output",
      "gate_up",   "activation", "down", "residual", "head"};
  return kNames[static_cast<std::size_t>(operation)];
}

}  // namespace assay
