#include "formats/gptq/gptq_config.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "formats/gptq/module_pattern.h"
#include "formats/json/json_reader.h"
#include "formats/tensor_view.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kConfigDepth = 64;

Error corrupt(const std::string& message) { return {ErrorCode::kCorrupt, message}; }
Error unsupported(const std::string& message) { return {ErrorCode::kUnsupported, message}; }

// The first of `names` that is present and not null: writers spell the same field differently.
struct Field {
  std::string name;
  const Json* value = nullptr;
};
Field find_field(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = object.find(name);
    if (found != object.end() && !found->is_null()) return {name, &*found};
  }
  return {};
}

Result<std::optional<bool>> read_bool(const Json& object, const char* name) {
  const Field field = find_field(object, {name});
  if (field.value == nullptr) return std::optional<bool>();
  if (!field.value->is_boolean()) return corrupt(field.name + " is not true or false");
  return std::optional(field.value->get<bool>());
}

Result<std::optional<std::int64_t>> read_integer(const Json& object,
                                                 std::initializer_list<const char*> names) {
  const Field field = find_field(object, names);
  if (field.value == nullptr) return std::optional<std::int64_t>();
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!field.value->is_number_integer() ||
      (field.value->is_number_unsigned() && field.value->get<std::uint64_t>() > kMax)) {
    return corrupt(field.name + " is not an integer");
  }
  return std::optional(field.value->get<std::int64_t>());
}

Result<std::optional<std::string>> read_lowercase(const Json& object,
                                                  std::initializer_list<const char*> names) {
  const Field field = find_field(object, names);
  if (field.value == nullptr) return std::optional<std::string>();
  if (!field.value->is_string()) return corrupt(field.name + " is not a string");
  std::string text = field.value->get<std::string>();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return std::optional(std::move(text));
}

Result<std::optional<int>> read_bits(const Json& object) {
  ASSAY_TRY(const auto bits, read_integer(object, {"bits", "w_bit", "wbits"}));
  if (!bits) return std::optional<int>();
  if (*bits < 1 || *bits > 32) return corrupt("bits is " + std::to_string(*bits));
  if (*bits != 2 && *bits != 3 && *bits != 4 && *bits != 8) {
    return unsupported("bits is " + std::to_string(*bits) + ", supported are 2, 3, 4 and 8");
  }
  return std::optional(static_cast<int>(*bits));
}

Result<std::optional<std::int64_t>> read_group_size(const Json& object) {
  ASSAY_TRY(const auto group_size, read_integer(object, {"group_size", "q_group_size"}));
  if (group_size && *group_size != -1 && *group_size < 1) {
    return corrupt("group_size is " + std::to_string(*group_size) + ", expected -1 or a positive number");
  }
  return group_size;
}

Status check_pack_dtype(const Json& object) {
  ASSAY_TRY(const auto pack_dtype, read_lowercase(object, {"pack_dtype"}));
  if (pack_dtype && *pack_dtype != "int32") {
    return unsupported("pack_dtype " + quote(*pack_dtype) + " is not supported (only int32)");
  }
  return {};
}

Status check_method(const Json& object) {
  ASSAY_TRY(const auto method, read_lowercase(object, {"quant_method", "method"}));
  if (method && *method != "gptq")
    return unsupported("quant_method " + quote(*method) + " is not supported (only gptq)");
  ASSAY_TRY(const auto is_marlin, read_bool(object, "is_marlin_format"));
  if (is_marlin.value_or(false))
    return unsupported("is_marlin_format: repacked checkpoints are not supported");
  return check_pack_dtype(object);
}

Result<GptqFormat> read_format(const Json& object) {
  ASSAY_TRY(const auto checkpoint_format, read_lowercase(object, {"checkpoint_format"}));
  ASSAY_TRY(const auto format, read_lowercase(object, {"format"}));
  if (checkpoint_format && format && *checkpoint_format != *format) {
    return corrupt("checkpoint_format " + quote(*checkpoint_format) + " contradicts format " +
                   quote(*format));
  }
  // Checkpoints from before there was a second format do not name it.
  const std::string name = checkpoint_format.value_or(format.value_or("gptq"));
  if (name == "gptq") return GptqFormat::kV1;
  if (name == "gptq_v2") return GptqFormat::kV2;
  return unsupported("checkpoint_format " + quote(name) + " is not supported (only gptq and gptq_v2)");
}

Result<GptqOverride> read_override(const std::string& key, const Json& value) {
  GptqOverride parsed;
  parsed.skip = key.starts_with("-:");
  parsed.pattern = parsed.skip || key.starts_with("+:") ? key.substr(2) : key;
  ASSAY_RETURN_IF_ERROR(ModulePattern::compile(parsed.pattern));
  if (parsed.skip) return parsed;
  if (!value.is_object()) return corrupt("its settings are not an object");
  ASSAY_TRY(parsed.bits, read_bits(value));
  ASSAY_TRY(parsed.group_size, read_group_size(value));
  ASSAY_TRY(parsed.desc_act, read_bool(value, "desc_act"));
  ASSAY_TRY(parsed.sym, read_bool(value, "sym"));
  ASSAY_RETURN_IF_ERROR(check_pack_dtype(value));
  return parsed;
}

Result<std::vector<GptqOverride>> read_dynamic(const Json& object) {
  std::vector<GptqOverride> overrides;
  const Field dynamic = find_field(object, {"dynamic"});
  if (dynamic.value == nullptr) return overrides;
  if (!dynamic.value->is_object()) return corrupt("dynamic is not an object");
  for (const auto& [key, value] : dynamic.value->items()) {
    auto parsed = read_override(key, value);
    if (!parsed) return parsed.error().with_context("dynamic " + quote(key));
    overrides.push_back(*std::move(parsed));
  }
  return overrides;
}

// Leaves `target` as it is when the field is absent.
Status read_flag(const Json& object, const char* name, bool& target) {
  ASSAY_TRY(const auto value, read_bool(object, name));
  target = value.value_or(target);
  return {};
}

Status read_damp_percent(const Json& object, std::optional<double>& target) {
  const Field field = find_field(object, {"damp_percent"});
  if (field.value == nullptr) return {};
  if (!field.value->is_number()) return corrupt("damp_percent is not a number");
  target = field.value->get<double>();
  return {};
}

Result<Json> read_meta(const Json& object) {
  const Field meta = find_field(object, {"meta"});
  if (meta.value == nullptr) return Json::object();
  if (!meta.value->is_object()) return corrupt("meta is not an object");
  return *meta.value;
}

Result<GptqConfig> read_config(const Json& object) {
  if (!object.is_object()) return corrupt("quantization_config is not an object");
  ASSAY_RETURN_IF_ERROR(check_method(object));
  GptqConfig config;
  ASSAY_TRY(const auto bits, read_bits(object));
  if (!bits) return corrupt("bits is missing");
  config.bits = *bits;
  ASSAY_TRY(const auto group_size, read_group_size(object));
  config.group_size = group_size.value_or(config.group_size);
  ASSAY_RETURN_IF_ERROR(read_flag(object, "desc_act", config.desc_act));
  ASSAY_RETURN_IF_ERROR(read_flag(object, "sym", config.sym));
  ASSAY_RETURN_IF_ERROR(read_flag(object, "lm_head", config.lm_head));
  ASSAY_TRY(config.format, read_format(object));
  ASSAY_TRY(config.dynamic, read_dynamic(object));
  ASSAY_TRY(const Json meta, read_meta(object));
  config.meta_json = meta.dump();
  // How it was quantized: AutoGPTQ says it beside the other fields, GPTQModel inside of meta.
  for (const Json* place : {&meta, &object}) {
    ASSAY_RETURN_IF_ERROR(read_flag(*place, "true_sequential", config.true_sequential));
    ASSAY_RETURN_IF_ERROR(read_flag(*place, "static_groups", config.static_groups));
    ASSAY_RETURN_IF_ERROR(read_damp_percent(*place, config.damp_percent));
  }
  return config;
}

Json override_json(const GptqOverride& settings) {
  Json object = Json::object();
  if (settings.skip) return object;
  if (settings.bits) object["bits"] = *settings.bits;
  if (settings.group_size) object["group_size"] = *settings.group_size;
  if (settings.desc_act) object["desc_act"] = *settings.desc_act;
  if (settings.sym) object["sym"] = *settings.sym;
  return object;
}

Json dynamic_json(const std::vector<GptqOverride>& dynamic) {
  Json object = Json::object();
  std::set<std::string> keys;
  for (const GptqOverride& settings : dynamic) {
    std::string key = (settings.skip ? "-:" : "+:") + settings.pattern;
    // The first match decides, so a pattern that comes again has no effect.
    if (keys.insert(key).second)
      object.get_ref<Json::object_t&>().push_back({std::move(key), override_json(settings)});
  }
  return object;
}

Json config_object(const GptqConfig& config) {
  Json object = {{"bits", config.bits},
                 {"group_size", config.group_size},
                 {"desc_act", config.desc_act},
                 {"sym", config.sym},
                 {"lm_head", config.lm_head},
                 {"quant_method", "gptq"},
                 {"checkpoint_format", config.format == GptqFormat::kV1 ? "gptq" : "gptq_v2"},
                 {"pack_dtype", "int32"}};
  // transformers refuses null here, but not absence.
  if (config.damp_percent) object["damp_percent"] = *config.damp_percent;
  object["true_sequential"] = config.true_sequential;
  object["static_groups"] = config.static_groups;
  if (!config.dynamic.empty()) object["dynamic"] = dynamic_json(config.dynamic);
  object["meta"] = parse_ordered_json(as_bytes(config.meta_json), kConfigDepth).value();
  return object;
}

std::string indented(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<GptqConfig> parse_gptq_config(ByteView file) {
  ASSAY_TRY(const Json document, parse_ordered_json(file, kConfigDepth));
  if (!document.is_object()) return corrupt("the configuration is not a JSON object");
  if (const Field nested = find_field(document, {"quantization_config"}); nested.value != nullptr) {
    return read_config(*nested.value);
  }
  if (find_field(document, {"bits", "w_bit", "wbits", "quant_method", "method"}).value == nullptr) {
    return Error{ErrorCode::kNotFound, "there is no quantization_config: the model is not quantized"};
  }
  return read_config(document);
}

Result<GptqModuleConfig> gptq_module_config(const GptqConfig& config, std::string_view module) {
  GptqModuleConfig settings{true, config.bits, config.group_size, config.desc_act, config.sym};
  for (const GptqOverride& candidate : config.dynamic) {
    ASSAY_TRY(const ModulePattern pattern, ModulePattern::compile(candidate.pattern));
    ASSAY_TRY(const bool matches, pattern.matches(module));
    if (!matches) continue;
    settings.quantized = !candidate.skip;
    settings.bits = candidate.bits.value_or(config.bits);
    settings.group_size = candidate.group_size.value_or(config.group_size);
    settings.desc_act = candidate.desc_act.value_or(config.desc_act);
    settings.sym = candidate.sym.value_or(config.sym);
    break;
  }
  return settings;
}

std::string gptq_config_json(const GptqConfig& config) { return indented(config_object(config)); }

Result<std::string> with_quantization_config(ByteView config_json, const GptqConfig& config) {
  ASSAY_TRY(Json document, parse_ordered_json(config_json, kConfigDepth));
  if (!document.is_object()) return corrupt("the configuration is not a JSON object");
  document["quantization_config"] = config_object(config);
  return indented(document);
}

}  // namespace assay
