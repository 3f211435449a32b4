#include "flow/gptq_folder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "engine/load.h"
#include "formats/gptq/gptq_tensors.h"
#include "formats/json/json_reader.h"
#include "formats/safetensors/safetensors_writer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::int64_t kWordValues = 32;  // every width packs whole words from this many values
constexpr int kMaxConfigDepth = 64;
constexpr const char* kTokenizerFiles[] = {"tokenizer.json",     "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                           "vocab.json",         "merges.txt",            "tokenizer.model",         "generation_config.json",
                                           "chat_template.jinja"};

// A copy whose rows are padded with empty ones to a multiple of 32.
GroupQuantMatrix padded(const GroupQuantMatrix& matrix) {
  const std::int64_t rows = (matrix.rows() + kWordValues - 1) / kWordValues * kWordValues;
  GroupQuantMatrix out(matrix.bits(), rows, matrix.cols(), matrix.group_size());
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols()));
  for (std::int64_t r = 0; r < rows; ++r) {
    const bool real = r < matrix.rows();
    if (real) {
      matrix.get_row(r, codes);
      out.set_row(r, codes);
    }
    for (std::int64_t g = 0; g < matrix.num_groups(); ++g) {
      out.scale(r, g) = real ? matrix.scale(r, g) : to_float16(1.0f);
      out.zero(r, g) = real ? matrix.zero(r, g) : 1;
    }
  }
  return out;
}

// Collects what goes into model.safetensors, then streams it.
class FolderWriter {
 public:
  FolderWriter(const LanguageModel& model, const GptqConfig& config, const KernelContext& kernels)
      : model_(model), config_(config), kernels_(kernels) {}

  Status add_model() {
    ASSAY_RETURN_IF_ERROR(add(model_.embedding));
    for (const auto* linear : {&model_.positions, &model_.project_in, &model_.project_out, &model_.head}) {
      if (*linear) ASSAY_RETURN_IF_ERROR(add(**linear));
    }
    const Family& family = *model_.config.family;
    // Names of the outer modules tell which prefix the checkpoint used.
    const std::string prefix = model_.embedding.name.substr(0, model_.embedding.name.size() - family.embedding.size());
    for (std::size_t layer = 0; layer < model_.blocks.size(); ++layer) {
      const std::string block = prefix + std::string(family.block) + "." + std::to_string(layer) + ".";
      for (const auto& linear : model_.blocks[layer].linears) {
        if (linear) ASSAY_RETURN_IF_ERROR(add(*linear));
      }
      for (std::size_t i = 0; i < kNumNormSlots; ++i) {
        if (model_.blocks[layer].norms[i]) add_norm(block + std::string(family.norms[i]), *model_.blocks[layer].norms[i]);
      }
    }
    if (model_.final_norm) add_norm(prefix + std::string(family.final_norm), *model_.final_norm);
    return {};
  }

  Result<std::uint64_t> write(const fs::path& path) {
    std::vector<TensorDeclaration> declarations;
    for (const auto& [name, output] : outputs_) declarations.push_back(output.declaration);
    sort_as_reference(declarations);
    ASSAY_TRY(SafetensorsWriter writer, SafetensorsWriter::create(path, declarations, {{"format", "pt"}}));
    for (const auto& declaration : declarations) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      ASSAY_RETURN_IF_ERROR(outputs_.at(declaration.name).write(writer));
    }
    ASSAY_RETURN_IF_ERROR(writer.commit());
    return static_cast<std::uint64_t>(fs::file_size(path));
  }

 private:
  struct Output {
    TensorDeclaration declaration;
    std::function<Status(SafetensorsWriter&)> write;
  };

  void add_output(TensorDeclaration declaration, std::function<Status(SafetensorsWriter&)> write) {
    const std::string name = declaration.name;
    outputs_.emplace(name, Output{std::move(declaration), std::move(write)});
  }

  void add_floats(const std::string& name, const std::vector<float>& values) {
    add_output({name, DType::kF32, {static_cast<std::int64_t>(values.size())}},
               [name, values](SafetensorsWriter& writer) { return writer.append(name, std::as_bytes(std::span(values))); });
  }

  void add_norm(const std::string& name, const NormWeights& norm) {
    std::vector<float> weight = norm.weight;
    if (model_.config.family->norm == NormKind::kRmsUnitOffset) {
      for (float& value : weight) value -= 1.0f;
    }
    add_floats(name + ".weight", weight);
    if (!norm.bias.empty()) add_floats(name + ".bias", norm.bias);
  }

  Status add(const Linear& linear) {
    if (!linear.bias.empty()) add_floats(linear.name + ".bias", linear.bias);
    if (linear.quantized) return add_packed(linear);
    const DType stored = linear.weight.dtype;
    const bool keeps = stored == DType::kF16 || stored == DType::kBF16;
    const DType dtype = keeps ? stored : DType::kF16;
    const std::string name = linear.name + ".weight";
    add_output({name, dtype, {linear.weight.rows, linear.weight.cols}}, [this, &linear, name, keeps](SafetensorsWriter& writer) {
      return keeps ? writer.append(name, {linear.weight.data, static_cast<std::size_t>(linear.weight.rows * linear.weight.row_bytes)})
                   : append_as_float16(linear, name, writer);
    });
    return {};
  }

  Status append_as_float16(const Linear& linear, const std::string& name, SafetensorsWriter& writer) const {
    std::vector<float> row(static_cast<std::size_t>(linear.weight.cols));
    std::vector<Float16> halves(row.size());
    for (std::int64_t r = 0; r < linear.weight.rows; ++r) {
      dequantize_row(*kernels_.table, linear.weight, r, row);
      for (std::size_t c = 0; c < row.size(); ++c) {
        halves[c] = to_float16(row[c]);
        if (!std::isfinite(to_float(halves[c]))) {
          return Error{ErrorCode::kUnsupported, name + ": holds " + std::to_string(row[c]) + ", which float16 cannot"};
        }
      }
      ASSAY_RETURN_IF_ERROR(writer.append(name, std::as_bytes(std::span(halves))));
    }
    return {};
  }

  Status add_packed(const Linear& linear) {
    const std::string name = linear.name;
    // Only the matrices beside the blocks may be padded: another loader reads those of the blocks.
    const bool outer = &linear == &model_.embedding || (model_.head && &linear == &*model_.head);
    if (!outer && (linear.weight.rows % kWordValues != 0 || linear.weight.cols % kWordValues != 0)) {
      return Error{ErrorCode::kUnsupported, name + ": " + std::to_string(linear.weight.rows) + " outputs x " + std::to_string(linear.weight.cols) +
                                                " inputs; the GPTQ format packs multiples of 32 only"};
    }
    ASSAY_TRY(const PackedGptq* packed, pack(linear));
    for (const auto& view : gptq_tensor_views(*packed, name)) {
      const std::string tensor = view.name;
      add_output({tensor, view.dtype, view.shape}, [this, &linear, tensor](SafetensorsWriter& writer) -> Status {
        ASSAY_TRY(const PackedGptq* again, pack(linear));
        for (const auto& part : gptq_tensor_views(*again, linear.name)) {
          if (part.name == tensor) return writer.append(tensor, part.bytes);
        }
        return {};
      });
    }
    return {};
  }

  // Packs a layer, keeping only the last one: the writer asks for a layer's tensors one after another.
  Result<const PackedGptq*> pack(const Linear& linear) {
    if (packed_of_ != &linear) {
      auto packed = linear.quantized->rows() % kWordValues == 0 ? pack_gptq(*linear.quantized, linear.column_order, config_.format)
                                                                : pack_gptq(padded(*linear.quantized), linear.column_order, config_.format);
      if (!packed) return packed.error().with_context(linear.name);
      packed_ = *std::move(packed);
      packed_of_ = &linear;
    }
    return const_cast<const PackedGptq*>(&packed_);
  }

  const LanguageModel& model_;
  const GptqConfig& config_;
  const KernelContext& kernels_;
  std::map<std::string, Output> outputs_;
  PackedGptq packed_;
  const Linear* packed_of_ = nullptr;
};

Status write_tokenizer(const fs::path& source, const fs::path& folder) {
  if (!fs::is_directory(source)) {
    ASSAY_TRY(const Tokenizer tokenizer, load_tokenizer(source));
    ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / "tokenizer.json", tokenizer.to_tokenizer_json()));
    return write_file_atomically(folder / "tokenizer_config.json", tokenizer.to_tokenizer_config_json());
  }
  for (const char* name : kTokenizerFiles) {
    if (!fs::exists(source / name)) continue;
    ASSAY_TRY(const MappedFile file, MappedFile::open(source / name));
    ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / name, as_text(file.bytes())));
  }
  return {};
}

Result<std::string> config_with_quantization(const LanguageModel& model, const GptqConfig& config) {
  ASSAY_TRY(ordered_json object, parse_ordered_json(as_bytes(model.config_json), kMaxConfigDepth));
  // What loaders compute in: Gemma's activations leave the range of float16.
  const bool wide = model.config.family->norm == NormKind::kRmsUnitOffset;
  object.erase("dtype");
  object["torch_dtype"] = wide ? "bfloat16" : "float16";
  return with_quantization_config(as_bytes(object.dump()), config);
}

}  // namespace

Result<std::uint64_t> write_gptq_folder(const LanguageModel& model, const GptqConfig& config, const fs::path& source, const fs::path& folder,
                                        const KernelContext& kernels) {
  FolderWriter writer(model, config, kernels);
  ASSAY_RETURN_IF_ERROR(writer.add_model());
  ASSAY_TRY(const std::uint64_t output_bytes, writer.write(folder / "model.safetensors"));
  ASSAY_TRY(const std::string config_json, config_with_quantization(model, config));
  ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / "config.json", config_json));
  ASSAY_RETURN_IF_ERROR(write_file_atomically(folder / "quantize_config.json", gptq_config_json(config)));
  ASSAY_RETURN_IF_ERROR(write_tokenizer(source, folder));
  return output_bytes;
}

}  // namespace assay
