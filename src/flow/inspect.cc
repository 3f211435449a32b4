#include "flow/inspect.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/interrupt.h"
#include "engine/checkpoint.h"
#include "engine/gguf_model.h"
#include "formats/json/json_reader.h"
#include "formats/safetensors/safetensors.h"
#include "kernels/kernels.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr int kConfigDepth = 32;

StoredTensor stored(const TensorView& tensor) {
  return {tensor.name, std::string(info(tensor.dtype).name), tensor.dtype, tensor.shape, tensor.bytes};
}

std::string architecture_of(const std::string& config_json) {
  const auto config = parse_json(as_bytes(config_json), kConfigDepth);
  if (!config || !config->is_object()) return "";
  const auto names = config->find("architectures");
  if (names != config->end() && names->is_array() && !names->empty() && names->front().is_string())
    return names->front().get<std::string>();
  const auto type = config->find("model_type");
  return type != config->end() && type->is_string() ? type->get<std::string>() : "";
}

void read_config(const std::string& config_json, ModelInspection& inspection) {
  auto config = parse_model_config(as_bytes(config_json));
  if (config) {
    inspection.config = *std::move(config);
  } else {
    inspection.obstacle = config.error().message;
  }
}

Result<ModelInspection> inspect_folder(const fs::path& folder) {
  ASSAY_TRY(Checkpoint checkpoint, open_checkpoint(folder));
  ModelInspection inspection;
  inspection.format = to_string(checkpoint.format);
  inspection.architecture = architecture_of(checkpoint.config_json);
  inspection.gptq = checkpoint.gptq;
  for (const auto& [name, tensor] : checkpoint.tensors) inspection.tensors.push_back(stored(tensor));
  inspection.files = std::move(checkpoint.files);
  read_config(checkpoint.config_json, inspection);
  return inspection;
}

Result<ModelInspection> inspect_safetensors(MappedFile file) {
  ASSAY_TRY(const SafetensorsFile parsed, parse_safetensors(file.bytes()));
  ModelInspection inspection;
  inspection.format = "safetensors";
  inspection.obstacle =
      "a single .safetensors file has no configuration; give the folder with its config.json";
  for (const auto& tensor : parsed.tensors) inspection.tensors.push_back(stored(tensor));
  inspection.files.push_back(std::move(file));
  return inspection;
}

Result<ModelInspection> inspect_gguf(MappedFile file) {
  ASSAY_TRY(const gguf::File parsed, gguf::parse(file.bytes()));
  ModelInspection inspection;
  inspection.format = "GGUF version " + std::to_string(parsed.version());
  if (const auto architecture = parsed.string("general.architecture"))
    inspection.architecture = *architecture;
  for (const auto& tensor : parsed.tensors()) {
    inspection.tensors.push_back({tensor.name, tensor.type_name, tensor.dtype, tensor.shape, tensor.bytes});
    if (!tensor.dtype && inspection.obstacle.empty())
      inspection.obstacle = "tensor '" + tensor.name + "' has type " + tensor.type_name +
                            ", which this program cannot compute with";
  }
  const auto config_json = config_json_from_gguf(parsed);
  if (config_json) {
    read_config(*config_json, inspection);
  } else {
    inspection.obstacle = config_json.error().message;
  }
  inspection.files.push_back(std::move(file));
  return inspection;
}

// "model.layers.0.self_attn.q_proj.qweight" -> module and "qweight".
std::pair<std::string_view, std::string_view> split_name(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

bool is_module(std::string_view module, std::string_view wanted) {
  if (wanted.empty() || !module.ends_with(wanted)) return false;
  return module.size() == wanted.size() || module[module.size() - wanted.size() - 1] == '.';
}

bool is_embedding(const ModelInspection& inspection, std::string_view module) {
  // Names of llama.cpp's GGUF files; no Hugging Face checkpoint uses them.
  if (module == "token_embd" || module == "position_embd" || module == "output") return true;
  if (!inspection.config) return false;
  const Family& family = *inspection.config->family;
  return is_module(module, family.embedding) || is_module(module, family.positions) ||
         is_module(module, family.head);
}

// Masks and frequencies that older versions of transformers saved although the configuration determines them.
bool is_buffer(std::string_view name) {
  for (const std::string_view end :
       {"attn.bias", "attn.masked_bias", "attention.bias", "attention.masked_bias", "rotary_emb.inv_freq"}) {
    if (is_module(name, end)) return true;
  }
  return false;
}

// How many weights a tensor stands for.
std::uint64_t parameters_of(const ModelInspection& inspection, const StoredTensor& tensor) {
  if (is_buffer(tensor.name)) return 0;
  const auto [module, part] = split_name(tensor.name);
  const bool packed = inspection.gptq.has_value() && tensor.dtype == DType::kI32;
  if (inspection.gptq && (part == "qzeros" || part == "scales" || part == "g_idx")) return 0;
  std::uint64_t count = 1;
  for (const std::int64_t size : tensor.shape) {
    if (!checked_multiply(count, static_cast<std::uint64_t>(size), &count)) return 0;
  }
  if (!packed || part != "qweight") return count;
  const auto settings = gptq_module_config(*inspection.gptq, module);
  return count * 32 / static_cast<std::uint64_t>(settings ? settings->bits : inspection.gptq->bits);
}

void count(ModelInspection& inspection) {
  for (const auto& file : inspection.files) inspection.file_bytes += file.bytes().size();
  for (const auto& tensor : inspection.tensors) {
    const std::uint64_t parameters = parameters_of(inspection, tensor);
    inspection.tensor_bytes += tensor.bytes.size();
    inspection.parameters += parameters;
    if (!is_embedding(inspection, split_name(tensor.name).first)) continue;
    inspection.embedding_bytes += tensor.bytes.size();
    inspection.embedding_parameters += parameters;
  }
}

// Values of a tensor seen as a matrix whose rows are its last dimension.
struct Rows {
  WeightView view;
  bool readable = false;
};

Rows rows_of(const StoredTensor& tensor) {
  if (!tensor.dtype || !is_weight_dtype(*tensor.dtype) || tensor.bytes.empty()) return {};
  const DTypeInfo& type = info(*tensor.dtype);
  const auto values = static_cast<std::int64_t>(tensor.bytes.size() / type.block_bytes * type.block_values);
  const std::int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
  return {dense_view(*tensor.dtype, tensor.bytes, values / cols, cols), true};
}

bool holds_numbers(const StoredTensor& tensor) {
  if (!tensor.dtype) return true;
  switch (*tensor.dtype) {
    case DType::kI64:
    case DType::kI32:
    case DType::kI16:
    case DType::kI8:
    case DType::kU64:
    case DType::kU32:
    case DType::kU16:
    case DType::kU8:
    case DType::kBool:
      return false;
    default:
      return true;
  }
}

void add_value(double value, std::uint64_t index, NonFiniteTensor& found) {
  if (std::isfinite(value)) return;
  if (found.nan_values + found.infinite_values == 0) found.first = index;
  ++(std::isnan(value) ? found.nan_values : found.infinite_values);
}

NonFiniteTensor scan_float64(const StoredTensor& tensor) {
  NonFiniteTensor found{tensor.name};
  for (std::size_t i = 0; i < tensor.bytes.size() / sizeof(double); ++i) {
    double value;
    std::memcpy(&value, tensor.bytes.data() + i * sizeof(double), sizeof(double));
    add_value(value, i, found);
  }
  return found;
}

NonFiniteTensor scan_rows(const StoredTensor& tensor, const WeightView& view, ThreadPool& pool) {
  // The reference: every instruction set gives its bits.
  const KernelTable& table = *runnable_kernels({}).front();
  std::vector<NonFiniteTensor> parts(static_cast<std::size_t>(pool.num_threads()));
  pool.parallel_for(view.rows, 1, [&](WorkRange range) {
    std::vector<float> values(static_cast<std::size_t>(view.cols));
    auto& part = parts[static_cast<std::size_t>(range.thread)];
    for (std::int64_t r = range.begin; r < range.end; ++r) {
      dequantize_row(table, view, r, values);
      for (std::size_t c = 0; c < values.size(); ++c)
        add_value(static_cast<double>(values[c]), static_cast<std::uint64_t>(r * view.cols) + c, part);
    }
  });
  NonFiniteTensor found{tensor.name};
  for (const auto& part : parts) {
    // Parts lie in the order of the rows, so the first that found something has the first value.
    if (found.nan_values + found.infinite_values == 0) found.first = part.first;
    found.nan_values += part.nan_values;
    found.infinite_values += part.infinite_values;
  }
  return found;
}

}  // namespace

Result<ModelInspection> inspect_model(const fs::path& path) {
  const auto inspect = [&]() -> Result<ModelInspection> {
    std::error_code error;
    if (fs::is_directory(path, error)) return inspect_folder(path);
    if (!fs::exists(path, error))
      return Error{
          ErrorCode::kNotFound,
          path.string() + ": no such model; expected a folder with config.json, a .gguf or a .tflite file"};
    const auto extension = path.extension();
    if (extension != ".gguf" && extension != ".safetensors") {
      return Error{
          ErrorCode::kUnsupported,
          path.string() + ": is neither a folder with config.json nor a .gguf, .safetensors or .tflite file"};
    }
    ASSAY_TRY(MappedFile file, MappedFile::open(path));
    auto inspected =
        extension == ".gguf" ? inspect_gguf(std::move(file)) : inspect_safetensors(std::move(file));
    if (!inspected) return inspected.error().with_context(path.string());
    return inspected;
  };
  ASSAY_TRY(ModelInspection inspection, inspect());
  count(inspection);
  return inspection;
}

Result<NonFiniteScan> find_non_finite(const ModelInspection& inspection, ThreadPool& pool,
                                      Progress& progress) {
  NonFiniteScan scan;
  std::int64_t done = 0;
  for (const auto& tensor : inspection.tensors) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const Rows rows = rows_of(tensor);
    if (rows.readable || tensor.dtype == DType::kF64) {
      NonFiniteTensor found = rows.readable ? scan_rows(tensor, rows.view, pool) : scan_float64(tensor);
      if (found.nan_values + found.infinite_values > 0) scan.found.push_back(std::move(found));
    } else if (holds_numbers(tensor) && !(tensor.dtype && tensor.bytes.empty())) {
      scan.not_scanned.push_back(tensor.name);
    }
    progress.update("checking", ++done, static_cast<std::int64_t>(inspection.tensors.size()));
  }
  return scan;
}

}  // namespace assay
