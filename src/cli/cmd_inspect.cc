// assay inspect: what a checkpoint holds.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "cli/commands.h"
#include "cli/inspect_tflite.h"
#include "cli/text.h"
#include "flow/inspect.h"
#include "flow/model_registry.h"
#include "formats/tensor_view.h"

namespace assay::cli {
namespace {

using nlohmann::ordered_json;

struct InspectOptions {
  std::string model;
  std::string tensors = "20";  // rows of the table, or "all"
  bool check = false;
};

double bits_per_weight(std::uint64_t bytes, std::uint64_t parameters) {
  return parameters == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(parameters);
}

// Of everything but embedding and head.
std::uint64_t body_bytes(const ModelInspection& m) { return m.tensor_bytes - m.embedding_bytes; }
std::uint64_t body_parameters(const ModelInspection& m) { return m.parameters - m.embedding_parameters; }

std::string describe(const GptqConfig& gptq) {
  return fmt::format("GPTQ, {} bits, group size {}, {}, {}, checkpoint format {}", gptq.bits, gptq.group_size,
                     gptq.sym ? "symmetric" : "asymmetric",
                     gptq.desc_act ? "activation order" : "natural order",
                     gptq.format == GptqFormat::kV1 ? "v1" : "v2");
}

std::string summary_text(const std::string& path, const ModelInspection& m) {
  std::vector<std::pair<std::string, std::string>> lines{{"model", path}, {"format", m.format}};
  if (!m.architecture.empty()) lines.emplace_back("architecture", m.architecture);
  if (m.config) {
    const ModelConfig& c = *m.config;
    lines.emplace_back("layers", std::to_string(c.num_layers));
    lines.emplace_back("hidden size", fmt::format("{} (MLP {})", c.hidden_size, c.intermediate_size));
    lines.emplace_back("heads", fmt::format("{} of {} values, {} for keys and values", c.num_heads,
                                            c.head_dim, c.num_kv_heads));
    lines.emplace_back("context", fmt::format("{} tokens", c.max_positions));
    lines.emplace_back("vocabulary", fmt::format("{} tokens{}", c.vocab_size,
                                                 c.tied_embeddings ? ", head tied to the embedding" : ""));
  }
  lines.emplace_back("parameters", fmt::format("{} ({} without embedding)", with_separators(m.parameters),
                                               with_separators(body_parameters(m))));
  lines.emplace_back("size", fmt::format("{} ({} without embedding); files {}", megabytes(m.tensor_bytes),
                                         megabytes(body_bytes(m)), megabytes(m.file_bytes)));
  lines.emplace_back("bits per weight", fmt::format("{:.3f} ({:.3f} without embedding)",
                                                    bits_per_weight(m.tensor_bytes, m.parameters),
                                                    bits_per_weight(body_bytes(m), body_parameters(m))));
  if (m.gptq) lines.emplace_back("quantization", describe(*m.gptq));
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> types;
  for (const auto& tensor : m.tensors) {
    ++types[tensor.type].first;
    types[tensor.type].second += tensor.bytes.size();
  }
  std::string type_text;
  for (const auto& [type, use] : types)
    type_text +=
        fmt::format("{}{} x {} ({})", type_text.empty() ? "" : ", ", use.first, type, megabytes(use.second));
  lines.emplace_back("tensors",
                     fmt::format("{}{}{}", m.tensors.size(), type_text.empty() ? "" : ": ", type_text));
  if (!m.obstacle.empty()) lines.emplace_back("cannot run", m.obstacle);
  return labelled(lines);
}

std::string tensor_table(const ModelInspection& m, std::size_t limit) {
  TextTable table({{"tensor"}, {"type"}, {"shape"}, {"bytes", TextTable::Align::kRight}});
  for (std::size_t i = 0; i < std::min(limit, m.tensors.size()); ++i) {
    const auto& tensor = m.tensors[i];
    table.add_row({tensor.name, tensor.type, shape_text(tensor.shape), with_separators(tensor.bytes.size())});
  }
  std::string text = table.render();
  if (m.tensors.size() > limit)
    text += fmt::format("... and {} more: --tensors all\n", m.tensors.size() - limit);
  return text;
}

ordered_json gptq_json(const GptqConfig& gptq) {
  return {{"method", "gptq"},
          {"bits", gptq.bits},
          {"group_size", gptq.group_size},
          {"sym", gptq.sym},
          {"desc_act", gptq.desc_act},
          {"lm_head", gptq.lm_head},
          {"checkpoint_format", gptq.format == GptqFormat::kV1 ? "gptq" : "gptq_v2"}};
}

ordered_json inspection_json(const std::string& path, const ModelInspection& m) {
  ordered_json json{{"model", path}, {"format", m.format}, {"architecture", m.architecture}};
  if (m.config) {
    const ModelConfig& c = *m.config;
    json["layers"] = c.num_layers;
    json["hidden_size"] = c.hidden_size;
    json["intermediate_size"] = c.intermediate_size;
    json["heads"] = c.num_heads;
    json["kv_heads"] = c.num_kv_heads;
    json["head_dim"] = c.head_dim;
    json["context_length"] = c.max_positions;
    json["vocabulary_size"] = c.vocab_size;
    json["tied_embeddings"] = c.tied_embeddings;
  }
  json["runnable"] = m.obstacle.empty();
  if (!m.obstacle.empty()) json["obstacle"] = m.obstacle;
  json["parameters"] = m.parameters;
  json["embedding_parameters"] = m.embedding_parameters;
  json["tensor_bytes"] = m.tensor_bytes;
  json["embedding_bytes"] = m.embedding_bytes;
  json["file_bytes"] = m.file_bytes;
  json["bits_per_weight"] = bits_per_weight(m.tensor_bytes, m.parameters);
  json["bits_per_weight_without_embedding"] = bits_per_weight(body_bytes(m), body_parameters(m));
  if (m.gptq) json["quantization"] = gptq_json(*m.gptq);
  json["tensors"] = ordered_json::array();
  for (const auto& tensor : m.tensors) {
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", tensor.type},
                               {"shape", tensor.shape},
                               {"bytes", tensor.bytes.size()}});
  }
  return json;
}

ordered_json scan_json(const NonFiniteScan& scan) {
  ordered_json json{
      {"ok", scan.found.empty()}, {"non_finite", ordered_json::array()}, {"not_scanned", scan.not_scanned}};
  for (const auto& tensor : scan.found) {
    json["non_finite"].push_back({{"tensor", tensor.name},
                                  {"nan", tensor.nan_values},
                                  {"infinite", tensor.infinite_values},
                                  {"first_index", tensor.first}});
  }
  return json;
}

std::string scan_text(const ModelInspection& m, const NonFiniteScan& scan) {
  std::string text;
  for (const auto& tensor : scan.found) {
    text += fmt::format("not finite: {}: {} NaN, {} infinite, the first at index {}\n",
                        printable(tensor.name), tensor.nan_values, tensor.infinite_values, tensor.first);
  }
  if (scan.found.empty())
    text += fmt::format("check: every value of {} tensors is a finite number\n",
                        m.tensors.size() - scan.not_scanned.size());
  if (!scan.not_scanned.empty())
    text += fmt::format("check: {} tensors have a type that cannot be read\n", scan.not_scanned.size());
  return text;
}

Status inspect(const InspectOptions& options, Session& session) {
  ASSAY_TRY(const auto path, resolve_model(options.model));
  const std::size_t limit =
      options.tensors == "all" ? std::numeric_limits<std::size_t>::max() : std::stoull(options.tensors);
  if (path.extension() == ".tflite") return inspect_tflite_file(path, limit, session);
  ASSAY_TRY(const ModelInspection inspection, inspect_model(path));
  session.print(summary_text(path.string(), inspection));
  if (limit > 0 && !inspection.tensors.empty()) session.print("\n" + tensor_table(inspection, limit));
  ordered_json json = inspection_json(path.string(), inspection);
  Status result;
  if (options.check) {
    ASSAY_TRY(const NonFiniteScan scan, find_non_finite(inspection, session.pool(), session.progress()));
    session.print("\n" + scan_text(inspection, scan));
    json["check"] = scan_json(scan);
    if (!scan.found.empty()) {
      result = Error{ErrorCode::kCorrupt,
                     fmt::format("{}: {} tensors hold values that are not finite numbers, the first is {}",
                                 path.string(), scan.found.size(), scan.found[0].name)};
    }
  }
  ASSAY_RETURN_IF_ERROR(session.write_json(std::move(json)));
  return result;
}

}  // namespace

void add_inspect(CommandLine& line) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& command = line.add("inspect", "Show architecture, tensors, bits per weight and size of a model.",
                               "assay inspect smollm2-135m --tensors all --check");
  add_model(command, options->model, ModelKind::kAny);
  command.add_option("--tensors", options->tensors, "how many rows of the table of tensors to print [20]")
      ->type_name("N|all")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool number = !text.empty() && text.size() <= 9 &&
                                text.find_first_not_of("0123456789") == std::string::npos;
            return text == "all" || number ? std::string() : "'" + text + "' is neither a number nor 'all'";
          },
          ""));
  command.add_flag(
      "--check", options->check,
      "read all values and name the tensors that hold NaN or infinity; exit code 1 if there are any");
  line.on_run(command, [options](Session& session) { return inspect(*options, session); });
}

}  // namespace assay::cli
