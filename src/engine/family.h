// What differs between the families of language models: a table, read by the loader and the one forward pass.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// The places of a block where a weight matrix can stand.
enum class Slot : std::uint8_t { kQ, kK, kV, kQkv, kO, kGate, kUp, kGateUp, kDown };
inline constexpr std::size_t kNumSlots = 9;

// The norms of a block.
enum class NormSlot : std::uint8_t { kAttention, kMlp, kPostAttention, kPostMlp, kQ, kK };
inline constexpr std::size_t kNumNormSlots = 6;

enum class NormKind : std::uint8_t { kRms, kRmsUnitOffset, kLayer };  // unit offset: multiplies by 1 + weight (Gemma)

// How a fused query-key-value projection orders its outputs.
enum class QkvLayout : std::uint8_t {
  kConcatenated,  // all q, all k, all v
  kPerHead,       // for each head its q, k, v (GPT-NeoX)
};

// Names are those of the Hugging Face checkpoint, relative to `prefix`; an empty name: the family has no such thing.
// Within a block they follow `prefix` + `block` + ".<index>.".
struct Family {
  std::string_view model_type;         // config.json
  std::string_view architecture;       // config.json "architectures"
  std::string_view gguf_architecture;  // general.architecture; empty: GGUF does not have it
  std::string_view prefix;
  std::string_view block;
  std::string_view embedding, positions, final_norm, head;
  std::string_view project_in, project_out;
  std::string_view slots[kNumSlots];
  std::string_view norms[kNumNormSlots];
  NormKind norm;
  QkvLayout qkv_layout;
  bool transposed;                     // matrices stored [inputs, outputs] (GPT-2's Conv1D)
  std::int64_t position_offset;        // learned positions: row of position 0 (OPT: 2)
};

// nullptr where unknown.
const Family* find_family(std::string_view model_type);
const Family* find_family_of_gguf(std::string_view gguf_architecture);

// "gpt2, opt, ...": for error messages.
std::string known_families();

inline std::string_view slot_name(const Family& family, Slot slot) { return family.slots[static_cast<std::size_t>(slot)]; }
inline std::string_view norm_name(const Family& family, NormSlot slot) { return family.norms[static_cast<std::size_t>(slot)]; }

}  // namespace assay
