#include "flow/sensitivities.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "formats/json/json_reader.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr int kMaxJsonDepth = 5;

ordered_json to_json(const LayerSensitivity& layer) {
  return {{"name", layer.name},
          {"rows", layer.rows},
          {"cols", layer.cols},
          {"kl", layer.kl},
          {"output_error", layer.output_error}};
}

Result<LayerSensitivity> layer_from(const ordered_json& row, std::size_t num_formats) {
  const Error damaged{ErrorCode::kCorrupt,
                      "a layer lacks a name, its sizes, a divergence or the errors of its formats"};
  if (!row.is_object() || !row.contains("output_error") || !row["output_error"].is_array()) return damaged;
  for (const char* key : {"rows", "cols", "kl"})
    if (!row.contains(key) || !row[key].is_number()) return damaged;
  if (!row.contains("name") || !row["name"].is_string()) return damaged;
  LayerSensitivity layer{row["name"].get<std::string>(),
                         row["rows"].get<std::int64_t>(),
                         row["cols"].get<std::int64_t>(),
                         row["kl"].get<double>(),
                         {}};
  for (const auto& value : row["output_error"])
    if (value.is_number()) layer.output_error.push_back(value.get<double>());
  if (layer.output_error.size() != num_formats || !(layer.kl >= 0) || layer.rows < 1 || layer.cols < 1)
    return damaged;
  return layer;
}

Result<SensitivityFile> parse_file(ByteView bytes) {
  const Error damaged{ErrorCode::kCorrupt, "is not a file of sensitivities"};
  ASSAY_TRY(const ordered_json document, parse_ordered_json(bytes, kMaxJsonDepth));
  if (!document.is_object() || !document.contains("settings")) return damaged;
  for (const char* key : {"weights", "measured", "probe_positions"})
    if (!document.contains(key) || !document[key].is_number_integer()) return damaged;
  for (const char* key : {"formats", "layers"})
    if (!document.contains(key) || !document[key].is_array()) return damaged;
  SensitivityFile file{document["settings"].dump(), {}};
  Sensitivities& found = file.sensitivities;
  found.weights = document["weights"].get<std::uint64_t>();
  found.measured = document["measured"].get<std::size_t>();
  found.probe_positions = document["probe_positions"].get<std::int64_t>();
  for (const auto& format : document["formats"]) {
    if (!format.is_object() || !format.contains("bits") || !format["bits"].is_number_integer() ||
        !format.contains("group_size") || !format["group_size"].is_number_integer())
      return damaged;
    found.formats.push_back({format["bits"].get<int>(), format["group_size"].get<std::int64_t>()});
  }
  if (found.measured >= found.formats.size()) return damaged;
  for (const auto& row : document["layers"]) {
    ASSAY_TRY(LayerSensitivity layer, layer_from(row, found.formats.size()));
    found.layers.push_back(std::move(layer));
  }
  return file;
}

}  // namespace

Status write_sensitivities(const std::filesystem::path& path, const std::string& settings,
                           const Sensitivities& sensitivities) {
  ordered_json formats = ordered_json::array();
  for (const auto& format : sensitivities.formats)
    formats.push_back({{"bits", format.bits}, {"group_size", format.group_size}});
  ordered_json document{{"settings", ordered_json::parse(settings)},
                        {"weights", sensitivities.weights},
                        {"probe_positions", sensitivities.probe_positions},
                        {"formats", formats},
                        {"measured", sensitivities.measured},
                        {"layers", ordered_json::array()}};
  for (const auto& layer : sensitivities.layers) document["layers"].push_back(to_json(layer));
  return write_file_atomically(path, document.dump(1) + "\n");
}

Result<SensitivityFile> read_sensitivities(const std::filesystem::path& path) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto parsed = parse_file(file.bytes());
  if (!parsed) return parsed.error().with_context(path.string());
  return parsed;
}

Result<std::vector<LayerBits>> choose_formats(const Sensitivities& sensitivities, double average_bits) {
  std::vector<std::vector<BitChoice>> choices;
  double weights = 0;
  for (const auto& layer : sensitivities.layers) {
    weights += static_cast<double>(layer.rows) * static_cast<double>(layer.cols);
    const double measured = layer.output_error[sensitivities.measured];
    auto& row = choices.emplace_back();
    for (std::size_t f = 0; f < sensitivities.formats.size(); ++f) {
      const auto& [bits, group_size] = sensitivities.formats[f];
      // A layer whose outputs the measured format does not change is not changed by a finer one either.
      const double cost = measured > 0 ? layer.kl * layer.output_error[f] / measured : 0;
      row.push_back({bits, group_size, gptq_storage_bits(layer.rows, layer.cols, bits, group_size), cost});
    }
  }
  auto chosen =
      allocate_bits(choices, static_cast<std::uint64_t>(std::max(0.0, std::floor(average_bits * weights))));
  if (!chosen) return chosen.error().with_context("an average of " + std::to_string(average_bits) + " bits");
  std::vector<LayerBits> formats;
  for (const std::size_t choice : *chosen) formats.push_back(sensitivities.formats[choice]);
  return formats;
}

}  // namespace assay
