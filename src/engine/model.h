// A language model in memory: configuration and weights, most of them borrowed from mapped files.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/huge_bytes.h"
#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "engine/family.h"
#include "engine/model_config.h"
#include "tensor/group_quant.h"
#include "tensor/packed_matrix.h"

namespace assay {

// One weight matrix [outputs, inputs] with its bias. The view points into a mapped file, or into `quantized`, `copied`
// or `resident`, which then own the bytes.
struct Linear {
  std::string name;                         // of the module in the Hugging Face checkpoint, without ".weight"
  WeightView weight;
  std::vector<float> bias;                  // (outputs) or empty
  std::vector<std::int32_t> column_order;   // input c of `weight` is input column_order[c] of the layer; empty: c itself
  std::shared_ptr<const GroupQuantMatrix> quantized;
  std::shared_ptr<const std::vector<std::byte>> copied;
  std::shared_ptr<const PackedMatrix> packed;  // what weight.packed points to
  std::shared_ptr<const HugeBytes> resident;   // holds the panels of `packed`, or else the values of a dense matrix

  // Of the weights as they are stored, with bias and order.
  std::uint64_t stored_bytes() const;
  void set_quantized(std::shared_ptr<const GroupQuantMatrix> matrix, std::vector<std::int32_t> order);
};

struct NormWeights {
  std::vector<float> weight;  // as it multiplies: Gemma's unit offset is already added
  std::vector<float> bias;    // empty: none

  std::uint64_t stored_bytes() const { return (weight.size() + bias.size()) * sizeof(float); }
};

struct Block {
  std::array<std::optional<Linear>, kNumSlots> linears;
  std::array<std::optional<NormWeights>, kNumNormSlots> norms;

  std::optional<Linear>& at(Slot slot) { return linears[static_cast<std::size_t>(slot)]; }
  const std::optional<Linear>& at(Slot slot) const { return linears[static_cast<std::size_t>(slot)]; }
  std::optional<NormWeights>& at(NormSlot slot) { return norms[static_cast<std::size_t>(slot)]; }
  const std::optional<NormWeights>& at(NormSlot slot) const { return norms[static_cast<std::size_t>(slot)]; }
};

// Immutable while it computes; quantization replaces the linears of one block after the other.
struct LanguageModel {
  ModelConfig config;
  std::string config_json;   // a Hugging Face config.json, also when the model came from GGUF
  std::vector<MappedFile> files;
  Linear embedding;          // [vocabulary, embedding_dim]
  std::optional<Linear> positions;
  std::optional<Linear> project_in, project_out;
  std::vector<Block> blocks;
  std::optional<NormWeights> final_norm;
  std::optional<Linear> head;  // nothing: the embedding is the head, too

  const Linear& output_head() const { return head ? *head : embedding; }
  // Every matrix of the blocks, in the order in which a forward pass meets them.
  template <typename Visit>
  void for_each_linear(Visit visit) const {
    for (const auto& block : blocks) {
      for (const auto& linear : block.linears) {
        if (linear) visit(*linear);
      }
    }
  }
};

// Puts what generating a token reads into one mapping of huge pages: repacked, beside what is there, where a matrix has a
// packed form, so that Activations::kRounded computes with integers, else copied as it is. What is there already stays.
// Takes as much memory again as the matrices with a packed form. Errors: kResourceLimit.
Status pack_weights(LanguageModel& model, ThreadPool& pool);

// How many bytes the weights take as they are stored: what must be shipped to run the model, tokenizer apart.
struct ModelSize {
  std::uint64_t total_bytes = 0;
  std::uint64_t embedding_bytes = 0;       // embedding, learned positions, and the head where it is a matrix of its own
  std::uint64_t linear_bytes = 0;          // the matrices of the blocks
  std::uint64_t read_per_token_bytes = 0;  // what generating one token reads: everything but the unused embedding rows
  std::uint64_t parameters = 0;
  std::uint64_t linear_parameters = 0;
};
ModelSize model_size(const LanguageModel& model);

}  // namespace assay
