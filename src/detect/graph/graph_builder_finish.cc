// From what was written to a model: what nobody needs goes, activations go into the operators before them.
#include "detect/graph/graph_builder.h"
#include "formats/tflite/fuse_activations.h"

namespace assay::detect {
Result<tflite::Model> GraphBuilder::finish(std::string description,
                                           const std::vector<std::pair<std::string, std::string>>& metadata) {
  if (error_) return *error_;
  if (outputs_.empty()) return Error{ErrorCode::kInvalidArgument, "a graph without outputs"};
  // First, so that an operator that nothing needs does not count as a reader of what comes before an activation.
  tflite::remove_unneeded_operators(model_.main());
  tflite::fuse_activations(model_);
  tflite::Signature signature;
  signature.key = "serving_default";
  signature.inputs = std::move(inputs_);
  signature.outputs = std::move(outputs_);
  model_.signatures.push_back(std::move(signature));
  model_.description = std::move(description);
  for (const auto& [name, content] : metadata) {
    model_.metadata.push_back({name, static_cast<std::uint32_t>(model_.buffers.size())});
    const auto bytes = as_bytes(content);
    model_.buffers.push_back({tflite::Data::own({bytes.begin(), bytes.end()})});
  }
  tflite::Model model = std::move(model_);
  *this = GraphBuilder();
  tflite::remove_unused(model);
  ASSAY_RETURN_IF_ERROR(tflite::validate(model));
  return model;
}

}  // namespace assay::detect
