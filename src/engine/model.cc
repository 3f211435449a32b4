#include "engine/model.h"

#include <cstring>
#include <utility>

namespace assay {
namespace {

constexpr std::uint64_t kAlignment = 64;

std::uint64_t parameters_of(const Linear& linear) {
  return static_cast<std::uint64_t>(linear.weight.rows * linear.weight.cols) + linear.bias.size();
}

// Where a matrix goes.
struct Placement {
  Linear* linear;
  std::shared_ptr<PackedMatrix> packed;  // null: its values are copied
  std::uint64_t offset;
};

template <typename Visit>
void for_each_read_per_token(LanguageModel& model, Visit visit) {
  for (auto& block : model.blocks) {
    for (auto& linear : block.linears) {
      if (linear) visit(*linear);
    }
  }
  for (auto* outer : {&model.project_in, &model.project_out, &model.head}) {
    if (*outer) visit(**outer);
  }
  if (!model.head) visit(model.embedding);
}

void place(const Placement& placement, const std::shared_ptr<HugeBytes>& memory, const LanguageModel& model, ThreadPool& pool) {
  Linear& linear = *placement.linear;
  std::uint8_t* out = memory->data() + placement.offset;
  if (placement.packed) {
    placement.packed->fill(linear.weight, {out, placement.packed->num_bytes()}, pool);
    linear.packed = placement.packed;
    linear.weight.packed = linear.packed.get();
  } else {
    const std::byte* from = linear.weight.data;
    const auto row_bytes = static_cast<std::size_t>(linear.weight.row_bytes);
    pool.parallel_for(linear.weight.rows, 1, [&](WorkRange range) {
      const auto begin = static_cast<std::size_t>(range.begin) * row_bytes;
      std::memcpy(out + begin, from + begin, static_cast<std::size_t>(range.end - range.begin) * row_bytes);
    });
    for (const auto& file : model.files) file.release({from, static_cast<std::size_t>(linear.weight.rows) * row_bytes});
    linear.weight.data = reinterpret_cast<const std::byte*>(out);
    linear.copied.reset();
  }
  linear.resident = memory;
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
  resident.reset();
}

Status pack_weights(LanguageModel& model, ThreadPool& pool) {
  std::vector<Placement> placements;
  std::uint64_t size = 0;
  for_each_read_per_token(model, [&](Linear& linear) {
    if (linear.resident) return;
    placements.push_back({&linear, nullptr, size});
    std::uint64_t bytes = linear.weight.weight_bytes();
    if (PackedMatrix::is_packable(linear.weight)) {
      placements.back().packed = std::make_shared<PackedMatrix>(PackedMatrix::lay_out(linear.weight));
      bytes = placements.back().packed->num_bytes();
    } else if (!linear.weight.is_dense()) {
      placements.pop_back();
      return;
    }
    size += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  });
  ASSAY_TRY(HugeBytes allocated, HugeBytes::allocate(size));
  const auto memory = std::make_shared<HugeBytes>(std::move(allocated));
  for (const auto& placement : placements) place(placement, memory, model, pool);
  return {};
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
