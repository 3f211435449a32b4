#include "engine/model.h"

#include <utility>

namespace assay {
namespace {

std::uint64_t parameters_of(const Linear& linear) {
  return static_cast<std::uint64_t>(linear.weight.rows * linear.weight.cols) + linear.bias.size();
}

}  // namespace

std::uint64_t Linear::stored_bytes() const {
  return weight.weight_bytes() + bias.size() * sizeof(float) + column_order.size() * sizeof(std::int32_t);
}

void Linear::set_quantized(std::shared_ptr<const GroupQuantMatrix> matrix, std::vector<std::int32_t> order) {
  quantized = std::move(matrix);
  column_order = std::move(order);
  weight = quantized->view();
  copied.reset();
  packed.reset();
}

Status pack_weights(LanguageModel& model, ThreadPool& pool) {
  const auto pack = [&](Linear& linear) -> Status {
    if (linear.packed || !PackedMatrix::is_packable(linear.weight)) return {};
    auto packed = PackedMatrix::pack(linear.weight, pool);
    if (!packed) return packed.error().with_context(linear.name);
    linear.packed = std::make_shared<const PackedMatrix>(std::move(*packed));
    linear.weight.packed = linear.packed.get();
    return {};
  };
  for (auto& block : model.blocks) {
    for (auto& linear : block.linears) {
      if (linear) ASSAY_RETURN_IF_ERROR(pack(*linear));
    }
  }
  for (auto* outer : {&model.project_in, &model.project_out, &model.head}) {
    if (*outer) ASSAY_RETURN_IF_ERROR(pack(**outer));
  }
  return model.head ? Status{} : pack(model.embedding);
}

ModelSize model_size(const LanguageModel& model) {
  ModelSize size;
  std::uint64_t small_bytes = 0;
  const auto count_norm = [&](const std::optional<NormWeights>& norm) {
    if (!norm) return;
    size.parameters += norm->weight.size() + norm->bias.size();
    small_bytes += norm->stored_bytes();
  };
  for (const auto& block : model.blocks) {
    for (const auto& norm : block.norms) count_norm(norm);
  }
  count_norm(model.final_norm);
  model.for_each_linear([&](const Linear& linear) {
    size.linear_bytes += linear.stored_bytes();
    size.linear_parameters += parameters_of(linear);
  });
  for (const auto* outer : {&model.positions, &model.project_in, &model.project_out, &model.head}) {
    if (!*outer) continue;
    size.embedding_bytes += (**outer).stored_bytes();
    size.parameters += parameters_of(**outer);
  }
  size.embedding_bytes += model.embedding.stored_bytes();
  size.parameters += parameters_of(model.embedding) + size.linear_parameters;
  size.total_bytes = size.embedding_bytes + size.linear_bytes + small_bytes;
  size.read_per_token_bytes = size.linear_bytes + small_bytes + model.output_head().stored_bytes();
  for (const auto* projection : {&model.project_in, &model.project_out}) {
    if (*projection) size.read_per_token_bytes += (**projection).stored_bytes();
  }
  return size;
}

}  // namespace assay
