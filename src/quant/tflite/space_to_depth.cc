#include "quant/tflite/space_to_depth.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

namespace assay::tflite {
namespace {

constexpr std::int32_t kBlock = 2;
constexpr std::size_t kPhases = 4;
constexpr int kRank = 4;

// Which pixel of each 2 x 2 block a slice takes, row by row: 0 to 3.
using Phase = std::size_t;

class Finder {
 public:
  explicit Finder(Model& model) : model_(model), graph_(model.main()), uses_(find_uses(graph_)) {}

  std::size_t run();

 private:
  const Tensor& tensor(int index) const { return graph_.tensors[static_cast<std::size_t>(index)]; }
  const std::vector<int>& consumers(int index) const {
    return uses_.consumers[static_cast<std::size_t>(index)];
  }
  bool is_output(int index) const {
    return std::find(graph_.outputs.begin(), graph_.outputs.end(), index) != graph_.outputs.end();
  }
  std::vector<std::int32_t> integers(int index) const;
  std::optional<Phase> phase_of(const Operator& slice) const;
  std::optional<std::array<Phase, kPhases>> phases_of(const Operator& concat) const;
  bool feeds_convolutions_alone(int index) const;
  void permute_weights(int weights, const std::array<Phase, kPhases>& phases);

  Model& model_;
  Subgraph& graph_;
  Uses uses_;
};

std::vector<std::int32_t> Finder::integers(int index) const {
  if (index < 0 || tensor(index).type != TensorType::kInt32) return {};
  return Data::borrow(model_.data(tensor(index))).values<std::int32_t>();
}

// Nothing but for a slice of every second row and column, from row and column 0 or 1 to the end.
std::optional<Phase> Finder::phase_of(const Operator& slice) const {
  if (slice.op != Op::kStridedSlice || slice.inputs.size() != 4 || slice.inputs[0] < 0) return std::nullopt;
  const auto begin = integers(slice.inputs[1]), end = integers(slice.inputs[2]),
             stride = integers(slice.inputs[3]);
  const auto& shape = tensor(slice.inputs[0]).shape;
  if (shape.size() != kRank || begin.size() != kRank || end.size() != kRank) return std::nullopt;
  if (stride != std::vector<std::int32_t>{1, kBlock, kBlock, 1}) return std::nullopt;
  if (shape[1] % kBlock != 0 || shape[2] % kBlock != 0) return std::nullopt;
  std::array<std::int64_t, kRank> first{};
  if (slice.options.declares("begin_mask")) {
    for (const char* mask : {"ellipsis_mask", "new_axis_mask", "shrink_axis_mask"}) {
      if (slice.options.integer(mask) != 0) return std::nullopt;
    }
  }
  const auto masked = [&](const char* mask, int dimension) {
    return slice.options.declares(mask) && ((slice.options.integer(mask) >> dimension) & 1) != 0;
  };
  for (int d = 0; d < kRank; ++d) {
    const auto at = static_cast<std::size_t>(d);
    if (!masked("begin_mask", d)) first[at] = begin[at];
    if (!masked("end_mask", d) && end[at] < shape[at]) return std::nullopt;
    const std::int64_t last = d == 1 || d == 2 ? kBlock - 1 : 0;
    if (first[at] < 0 || first[at] > last) return std::nullopt;
  }
  return static_cast<Phase>(first[1] * kBlock + first[2]);
}

// By input of the concatenation; nothing unless its inputs are the four slices of one tensor.
std::optional<std::array<Phase, kPhases>> Finder::phases_of(const Operator& concat) const {
  if (concat.op != Op::kConcatenation || concat.inputs.size() != kPhases || !concat.options.declares("axis"))
    return std::nullopt;
  const std::int64_t axis = concat.options.integer("axis");
  if ((axis != kRank - 1 && axis != -1) || concat.options.integer("fused_activation_function") != 0)
    return std::nullopt;
  std::array<Phase, kPhases> phases{};
  std::set<Phase> seen;
  std::set<int> sources;
  for (std::size_t i = 0; i < kPhases; ++i) {
    const int part = concat.inputs[i];
    const int producer = part < 0 ? -1 : uses_.producer[static_cast<std::size_t>(part)];
    if (producer < 0 || consumers(part).size() != 1 || is_output(part)) return std::nullopt;
    const Operator& slice = graph_.operators[static_cast<std::size_t>(producer)];
    const auto phase = phase_of(slice);
    if (!phase) return std::nullopt;
    phases[i] = *phase;
    seen.insert(*phase);
    sources.insert(slice.inputs[0]);
  }
  if (seen.size() != kPhases || sources.size() != 1) return std::nullopt;
  return phases;
}

bool Finder::feeds_convolutions_alone(int index) const {
  if (is_output(index) || consumers(index).empty()) return false;
  return std::all_of(consumers(index).begin(), consumers(index).end(), [&](int consumer) {
    const Operator& op = graph_.operators[static_cast<std::size_t>(consumer)];
    if (op.op != Op::kConv2d || op.inputs.size() < 2 || op.inputs[0] != index) return false;
    const int weights = op.inputs[1];
    return weights >= 0 && tensor(weights).type == TensorType::kFloat32 &&
           model_.is_constant(tensor(weights)) && !tensor(weights).is_sparse() &&
           tensor(weights).shape.size() == kRank && tensor(weights).shape[3] == tensor(index).shape[3] &&
           consumers(weights).size() == 1;
  });
}

void Finder::permute_weights(int weights, const std::array<Phase, kPhases>& phases) {
  Tensor& changed = graph_.tensors[static_cast<std::size_t>(weights)];
  const auto before = Data::borrow(model_.data(changed)).values<float>();
  const auto channels = static_cast<std::size_t>(changed.shape[3]);
  const std::size_t per_phase = channels / kPhases;
  std::vector<float> after(before.size());
  for (std::size_t row = 0; row < before.size(); row += channels) {
    for (std::size_t part = 0; part < kPhases; ++part) {
      std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(row + part * per_phase), per_phase,
                  after.begin() + static_cast<std::ptrdiff_t>(row + phases[part] * per_phase));
    }
  }
  model_.set_data(changed, Data::own_values(after));
}

std::size_t Finder::run() {
  std::size_t merged = 0;
  std::set<int> removed;
  for (Operator& op : graph_.operators) {
    const auto phases = phases_of(op);
    if (!phases || op.outputs.size() != 1 || !feeds_convolutions_alone(op.outputs[0])) continue;
    const int output = op.outputs[0];
    int source = -1;
    for (const int part : op.inputs) {
      const int slice = uses_.producer[static_cast<std::size_t>(part)];
      source = graph_.operators[static_cast<std::size_t>(slice)].inputs[0];
      removed.insert(slice);
    }
    for (const int consumer : consumers(output))
      permute_weights(graph_.operators[static_cast<std::size_t>(consumer)].inputs[1], *phases);
    Operator block;
    block.op = Op::kSpaceToDepth;
    block.inputs = {source};
    block.outputs = {output};
    block.options = Object::make("SpaceToDepthOptions");
    block.options.set_integer("block_size", kBlock);
    op = std::move(block);
    ++merged;
  }
  std::vector<Operator> left;
  for (std::size_t i = 0; i < graph_.operators.size(); ++i) {
    if (!removed.contains(static_cast<int>(i))) left.push_back(std::move(graph_.operators[i]));
  }
  graph_.operators = std::move(left);
  return merged;
}

}  // namespace

std::size_t merge_space_to_depth(Model& model) { return Finder(model).run(); }

}  // namespace assay::tflite
