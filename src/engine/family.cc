#include "engine/family.h"

namespace assay {
namespace {

// The names that Llama gave and most later families kept.
constexpr Family llama_like(std::string_view model_type, std::string_view architecture, std::string_view gguf) {
  Family family{};
  family.model_type = model_type;
  family.architecture = architecture;
  family.gguf_architecture = gguf;
  family.prefix = "model.";
  family.block = "layers";
  family.embedding = "embed_tokens";
  family.final_norm = "norm";
  family.head = "lm_head";
  family.slots[static_cast<int>(Slot::kQ)] = "self_attn.q_proj";
  family.slots[static_cast<int>(Slot::kK)] = "self_attn.k_proj";
  family.slots[static_cast<int>(Slot::kV)] = "self_attn.v_proj";
  family.slots[static_cast<int>(Slot::kO)] = "self_attn.o_proj";
  family.slots[static_cast<int>(Slot::kGate)] = "mlp.gate_proj";
  family.slots[static_cast<int>(Slot::kUp)] = "mlp.up_proj";
  family.slots[static_cast<int>(Slot::kDown)] = "mlp.down_proj";
  family.norms[static_cast<int>(NormSlot::kAttention)] = "input_layernorm";
  family.norms[static_cast<int>(NormSlot::kMlp)] = "post_attention_layernorm";
  return family;
}

constexpr Family with_qk_norm(Family family) {
  family.norms[static_cast<int>(NormSlot::kQ)] = "self_attn.q_norm";
  family.norms[static_cast<int>(NormSlot::kK)] = "self_attn.k_norm";
  return family;
}

constexpr Family gemma2() {
  Family family = llama_like("gemma2", "Gemma2ForCausalLM", "gemma2");
  family.norm = NormKind::kRmsUnitOffset;
  family.norms[static_cast<int>(NormSlot::kPostAttention)] = "post_attention_layernorm";
  family.norms[static_cast<int>(NormSlot::kMlp)] = "pre_feedforward_layernorm";
  family.norms[static_cast<int>(NormSlot::kPostMlp)] = "post_feedforward_layernorm";
  return family;
}

constexpr Family gemma3() {
  Family family = with_qk_norm(gemma2());
  family.model_type = "gemma3_text";
  family.architecture = "Gemma3ForCausalLM";
  family.gguf_architecture = "gemma3";
  return family;
}

constexpr Family phi3() {
  Family family = llama_like("phi3", "Phi3ForCausalLM", "phi3");
  for (const Slot slot : {Slot::kQ, Slot::kK, Slot::kV, Slot::kGate, Slot::kUp}) family.slots[static_cast<int>(slot)] = {};
  family.slots[static_cast<int>(Slot::kQkv)] = "self_attn.qkv_proj";
  family.slots[static_cast<int>(Slot::kGateUp)] = "mlp.gate_up_proj";
  return family;
}

constexpr Family gpt2() {
  Family family{};
  family.model_type = "gpt2";
  family.architecture = "GPT2LMHeadModel";
  family.gguf_architecture = "gpt2";
  family.prefix = "transformer.";
  family.block = "h";
  family.embedding = "wte";
  family.positions = "wpe";
  family.final_norm = "ln_f";
  family.head = "lm_head";
  family.slots[static_cast<int>(Slot::kQkv)] = "attn.c_attn";
  family.slots[static_cast<int>(Slot::kO)] = "attn.c_proj";
  family.slots[static_cast<int>(Slot::kUp)] = "mlp.c_fc";
  family.slots[static_cast<int>(Slot::kDown)] = "mlp.c_proj";
  family.norms[static_cast<int>(NormSlot::kAttention)] = "ln_1";
  family.norms[static_cast<int>(NormSlot::kMlp)] = "ln_2";
  family.norm = NormKind::kLayer;
  family.transposed = true;
  return family;
}

constexpr Family opt() {
  Family family{};
  family.model_type = "opt";
  family.architecture = "OPTForCausalLM";
  family.prefix = "model.decoder.";
  family.block = "layers";
  family.embedding = "embed_tokens";
  family.positions = "embed_positions";
  family.final_norm = "final_layer_norm";
  family.head = "lm_head";
  family.project_in = "project_in";
  family.project_out = "project_out";
  family.slots[static_cast<int>(Slot::kQ)] = "self_attn.q_proj";
  family.slots[static_cast<int>(Slot::kK)] = "self_attn.k_proj";
  family.slots[static_cast<int>(Slot::kV)] = "self_attn.v_proj";
  family.slots[static_cast<int>(Slot::kO)] = "self_attn.out_proj";
  family.slots[static_cast<int>(Slot::kUp)] = "fc1";
  family.slots[static_cast<int>(Slot::kDown)] = "fc2";
  family.norms[static_cast<int>(NormSlot::kAttention)] = "self_attn_layer_norm";
  family.norms[static_cast<int>(NormSlot::kMlp)] = "final_layer_norm";
  family.norm = NormKind::kLayer;
  family.position_offset = 2;
  return family;
}

constexpr Family gpt_neox() {
  Family family{};
  family.model_type = "gpt_neox";
  family.architecture = "GPTNeoXForCausalLM";
  family.gguf_architecture = "gptneox";
  family.prefix = "gpt_neox.";
  family.block = "layers";
  family.embedding = "embed_in";
  family.final_norm = "final_layer_norm";
  family.head = "embed_out";
  family.slots[static_cast<int>(Slot::kQkv)] = "attention.query_key_value";
  family.slots[static_cast<int>(Slot::kO)] = "attention.dense";
  family.slots[static_cast<int>(Slot::kUp)] = "mlp.dense_h_to_4h";
  family.slots[static_cast<int>(Slot::kDown)] = "mlp.dense_4h_to_h";
  family.norms[static_cast<int>(NormSlot::kAttention)] = "input_layernorm";
  family.norms[static_cast<int>(NormSlot::kMlp)] = "post_attention_layernorm";
  family.norm = NormKind::kLayer;
  family.qkv_layout = QkvLayout::kPerHead;
  return family;
}

constexpr Family kFamilies[] = {
    gpt2(),
    opt(),
    gpt_neox(),
    llama_like("llama", "LlamaForCausalLM", "llama"),
    llama_like("mistral", "MistralForCausalLM", ""),
    llama_like("qwen2", "Qwen2ForCausalLM", "qwen2"),
    with_qk_norm(llama_like("qwen3", "Qwen3ForCausalLM", "qwen3")),
    gemma2(),
    gemma3(),
    phi3(),
};

}  // namespace

const Family* find_family(std::string_view model_type) {
  for (const auto& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return nullptr;
}

const Family* find_family_of_gguf(std::string_view gguf_architecture) {
  for (const auto& family : kFamilies) {
    if (!gguf_architecture.empty() && family.gguf_architecture == gguf_architecture) return &family;
  }
  return nullptr;
}

std::string known_families() {
  std::string names;
  for (const auto& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.model_type);
  return names;
}

}  // namespace assay
