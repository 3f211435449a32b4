#include "cli/environment_json.h"

#include "quant/llm/blas.h"

namespace assay::cli {

nlohmann::ordered_json environment_json(const measure::Environment& environment) {
  nlohmann::ordered_json json;
  json["version"] = environment.version;
  json["compiler"] = environment.compiler;
  json["isa"] = environment.isa;
  json["blas"] = blas_description();
  const auto add = [&](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  add("cpu_model", environment.cpu_model);
  json["usable_cpus"] = environment.usable_cpus;
  add("physical_cores", environment.physical_cores);
  add("cpu_quota", environment.cpu_quota);
  add("memory_total_bytes", environment.memory_total_bytes);
  add("last_level_cache_bytes", environment.last_level_cache_bytes);
  add("governor", environment.governor);
  add("kernel", environment.kernel);
  add("load_average", environment.load_average);
  return json;
}

}  // namespace assay::cli
