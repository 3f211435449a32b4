#include "cli/inspect_tflite.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"
#include "flow/inspect_tflite.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

std::string shape_of(const tflite::Tensor& tensor) {
  return fmt::format("[{}]",
                     fmt::join(tensor.shape_signature.empty() ? tensor.shape : tensor.shape_signature, ", "));
}

std::string counts_text(const std::map<std::string, std::uint64_t>& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [name, count] : sorted)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, printable(name));
  return text;
}

std::string tensors_text(const tflite::Subgraph& graph, const std::vector<std::int32_t>& indices) {
  std::string text;
  for (const std::int32_t index : indices) {
    const auto& tensor = graph.tensors[static_cast<std::size_t>(index)];
    const std::string quantization = quantization_text(tensor.quantization);
    text += fmt::format("{}{} {}{}{}", text.empty() ? "" : "; ", printable(tensor.name),
                        tflite::name_of(tensor.type), shape_of(tensor),
                        quantization.empty() ? "" : " (" + quantization + ")");
  }
  return text;
}

std::string summary(const std::string& path, const TfliteInspection& m) {
  const tflite::Subgraph& main = m.model.main();
  std::size_t operators = 0;
  for (const auto& [name, count] : m.operators) operators += count;
  std::vector<std::pair<std::string, std::string>> lines{
      {"model", path},
      {"format", fmt::format("TFLite version {}", m.model.version)},
      {"description", printable(m.model.description)},
      {"inputs", tensors_text(main, main.inputs)},
      {"outputs", tensors_text(main, main.outputs)},
      {"parameters", with_separators(m.parameters)},
      {"weights", m.weight_type},
      {"size", fmt::format("{} of constants; file {}", megabytes(m.constant_bytes),
                           megabytes(m.file.bytes().size()))},
      {"operators", fmt::format("{}: {}", operators, counts_text(m.operators))}};
  if (!m.custom_operators.empty()) lines.emplace_back("custom operators", counts_text(m.custom_operators));
  if (m.model.subgraphs.size() > 1) lines.emplace_back("subgraphs", std::to_string(m.model.subgraphs.size()));
  for (const auto& signature : m.model.signatures)
    lines.emplace_back("signature", fmt::format("{}: {} inputs, {} outputs", printable(signature.key),
                                                signature.inputs.size(), signature.outputs.size()));
  std::string types;
  for (const auto& [type, bytes] : m.constant_types)
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", type, megabytes(bytes));
  lines.emplace_back("constants", types);
  return labelled(lines);
}

std::string table_text(const TfliteInspection& m, std::size_t limit) {
  TextTable table({{"tensor"}, {"type"}, {"shape"}, {"bytes", TextTable::Align::kRight}, {"quantization"}});
  std::size_t constants = 0;
  for (const auto& graph : m.model.subgraphs) {
    for (const auto& tensor : graph.tensors) {
      if (!m.model.is_constant(tensor) || ++constants > limit) continue;
      table.add_row({printable(tensor.name), tflite::name_of(tensor.type), shape_of(tensor),
                     with_separators(m.model.data(tensor).size()), quantization_text(tensor.quantization)});
    }
  }
  std::string text = table.render();
  if (constants > limit) text += fmt::format("... and {} more constants: --tensors all\n", constants - limit);
  return text;
}

ordered_json tensor_json(const TfliteInspection& m, const tflite::Tensor& tensor) {
  ordered_json json{{"name", tensor.name},
                    {"type", tflite::name_of(tensor.type)},
                    {"shape", tensor.shape},
                    {"constant", m.model.is_constant(tensor)},
                    {"bytes", m.model.data(tensor).size()}};
  const tflite::Quantization& q = tensor.quantization;
  if (tensor.is_quantized())
    json["quantization"] = {{"scale", q.scale}, {"zero_point", q.zero_point}, {"dimension", q.dimension}};
  if (tensor.is_sparse()) json["sparse"] = true;
  return json;
}

ordered_json graph_json(const TfliteInspection& m, const tflite::Subgraph& graph) {
  ordered_json json{{"name", graph.name},
                    {"inputs", graph.inputs},
                    {"outputs", graph.outputs},
                    {"tensors", ordered_json::array()},
                    {"operators", ordered_json::array()}};
  for (const auto& tensor : graph.tensors) json["tensors"].push_back(tensor_json(m, tensor));
  for (const auto& op : graph.operators) {
    ordered_json entry{{"name", tflite::name_of(op.op)},
                       {"version", op.version},
                       {"inputs", op.inputs},
                       {"outputs", op.outputs}};
    if (op.op == tflite::Op::kCustom) entry["custom_code"] = op.custom_code;
    json["operators"].push_back(std::move(entry));
  }
  return json;
}

ordered_json names_json(const std::vector<tflite::TensorName>& names) {
  ordered_json json = ordered_json::object();
  for (const auto& name : names) json[name.name] = name.tensor;
  return json;
}

ordered_json inspection_json(const std::string& path, const TfliteInspection& m) {
  ordered_json json{{"model", path},
                    {"format", fmt::format("TFLite version {}", m.model.version)},
                    {"description", m.model.description},
                    {"parameters", m.parameters},
                    {"weight_type", m.weight_type},
                    {"constant_bytes", m.constant_bytes},
                    {"file_bytes", m.file.bytes().size()},
                    {"operators", m.operators},
                    {"custom_operators", m.custom_operators},
                    {"constant_types", m.constant_types},
                    {"signatures", ordered_json::object()},
                    {"subgraphs", ordered_json::array()}};
  for (const auto& signature : m.model.signatures)
    json["signatures"][signature.key] = {{"subgraph", signature.subgraph},
                                         {"inputs", names_json(signature.inputs)},
                                         {"outputs", names_json(signature.outputs)}};
  for (const auto& graph : m.model.subgraphs) json["subgraphs"].push_back(graph_json(m, graph));
  return json;
}

}  // namespace

Status inspect_tflite_file(const std::filesystem::path& path, std::size_t limit, Session& session) {
  ASSAY_TRY(const TfliteInspection inspection, inspect_tflite(path));
  session.print(summary(path.string(), inspection));
  if (limit > 0 && inspection.constant_bytes > 0) session.print("\n" + table_text(inspection, limit));
  return session.write_json(inspection_json(path.string(), inspection));
}

}  // namespace assay::cli
