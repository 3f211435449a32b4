// Whatever was read can be written and read again, and means the same.
#include <cstdint>

#include "base/check.h"
#include "formats/gptq/gptq_config.h"

namespace {

void expect_same_settings(const assay::GptqConfig& a, const assay::GptqConfig& b, std::string_view module) {
  const auto settings = assay::gptq_module_config(a, module);
  const auto again = assay::gptq_module_config(b, module);
  ASSAY_CHECK(settings.has_value() == again.has_value());
  if (!settings) return;
  ASSAY_CHECK(settings->quantized == again->quantized && settings->bits == again->bits &&
              settings->group_size == again->group_size && settings->desc_act == again->desc_act &&
              settings->sym == again->sym);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const assay::ByteView bytes = std::as_bytes(std::span(data, size));
  const auto config = assay::parse_gptq_config(bytes);
  if (!config) return 0;
  const std::string text = assay::gptq_config_json(*config);
  const auto again = assay::parse_gptq_config(assay::as_bytes(text));
  ASSAY_CHECK(again.has_value());
  ASSAY_CHECK(again->format == config->format && again->meta_json == config->meta_json &&
              again->lm_head == config->lm_head && again->damp_percent == config->damp_percent);
  for (const char* module : {"lm_head", "model.layers.0.self_attn.q_proj"})
    expect_same_settings(*config, *again, module);
  const auto model_config = assay::with_quantization_config(bytes, *config);
  ASSAY_CHECK(model_config.has_value() &&
              assay::parse_gptq_config(assay::as_bytes(*model_config)).has_value());
  return 0;
}
