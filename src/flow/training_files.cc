#include "flow/training_files.h"

#include <cstring>
#include <memory>
#include <utility>

#include "base/mapped_file.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/safetensors_writer.h"

namespace assay {
namespace {

template <typename T>
std::span<std::byte> bytes_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

std::span<std::byte> bytes_of(Matrix<float>& matrix) {
  return std::as_writable_bytes(
      std::span(matrix.data(), static_cast<std::size_t>(matrix.rows() * matrix.cols())));
}

// A matrix as three arrays.
struct MatrixArrays {
  std::vector<std::uint8_t> codes, zeros;
  std::vector<Float16> scales;

  explicit MatrixArrays(const GroupQuantMatrix& m)
      : codes(static_cast<std::size_t>(m.rows() * m.cols())),
        zeros(static_cast<std::size_t>(m.rows() * m.num_groups())),
        scales(zeros.size()) {}

  void take(const GroupQuantMatrix& m) {
    for (std::int64_t r = 0; r < m.rows(); ++r) {
      m.get_row(r, std::span(codes).subspan(static_cast<std::size_t>(r * m.cols()),
                                            static_cast<std::size_t>(m.cols())));
      for (std::int64_t g = 0; g < m.num_groups(); ++g) {
        const auto i = static_cast<std::size_t>(r * m.num_groups() + g);
        scales[i] = m.scale(r, g);
        zeros[i] = m.zero(r, g);
      }
    }
  }

  void give(GroupQuantMatrix& m) const {
    for (std::int64_t r = 0; r < m.rows(); ++r) {
      m.set_row(r, std::span(codes).subspan(static_cast<std::size_t>(r * m.cols()),
                                            static_cast<std::size_t>(m.cols())));
      for (std::int64_t g = 0; g < m.num_groups(); ++g) {
        const auto i = static_cast<std::size_t>(r * m.num_groups() + g);
        m.scale(r, g) = scales[i];
        m.zero(r, g) = zeros[i];
      }
    }
  }

  void add_to(std::vector<NamedArray>& arrays, const std::string& name) {
    arrays.push_back({name + ".codes", DType::kU8, bytes_of(codes)});
    arrays.push_back({name + ".scales", DType::kF16, bytes_of(scales)});
    arrays.push_back({name + ".zeros", DType::kU8, bytes_of(zeros)});
  }
};

// Visits every quantized linear and every norm of the blocks, and the final norm, with a name of its own.
template <typename OnLinear, typename OnNorm>
void visit_blocks(LanguageModel& model, std::size_t first, std::size_t end, OnLinear on_linear,
                  OnNorm on_norm) {
  for (std::size_t b = first; b < end; ++b) {
    const std::string prefix = "block" + std::to_string(b) + ".";
    for (std::size_t i = 0; i < kNumSlots; ++i) {
      if (auto& linear = model.blocks[b].linears[i])
        on_linear(prefix + "linear" + std::to_string(i), *linear);
    }
    for (std::size_t i = 0; i < kNumNormSlots; ++i) {
      if (auto& norm = model.blocks[b].norms[i]) on_norm(prefix + "norm" + std::to_string(i), *norm);
    }
  }
  if (model.final_norm) on_norm("final_norm", *model.final_norm);
}

void add_adam(std::vector<NamedArray>& arrays, const std::string& name, AdamState& adam, std::size_t size,
              float rate) {
  if (rate <= 0) return;
  adam.reach(size);
  arrays.push_back({name + ".mean", DType::kF32, bytes_of(adam.mean)});
  arrays.push_back({name + ".square", DType::kF32, bytes_of(adam.square)});
}

}  // namespace

Status save_arrays(const std::filesystem::path& path, std::vector<NamedArray> arrays) {
  std::map<std::string, ByteView> bytes;
  std::vector<TensorDeclaration> declarations;
  for (const auto& array : arrays) {
    bytes.emplace(array.name, array.bytes);
    declarations.push_back({array.name,
                            array.dtype,
                            {static_cast<std::int64_t>(array.bytes.size() / num_bytes(array.dtype, 1))}});
  }
  sort_as_reference(declarations);
  ASSAY_TRY(SafetensorsWriter writer, SafetensorsWriter::create(path, declarations, {}));
  for (const auto& declaration : declarations)
    ASSAY_RETURN_IF_ERROR(writer.append(declaration.name, bytes.at(declaration.name)));
  return writer.commit();
}

Status load_arrays(const std::filesystem::path& path, const std::vector<NamedArray>& arrays) {
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  auto parsed = parse_safetensors(file.bytes());
  if (!parsed) return parsed.error().with_context(path.string());
  for (const auto& array : arrays) {
    const TensorView* tensor = parsed->find(array.name);
    if (tensor == nullptr || tensor->dtype != array.dtype || tensor->bytes.size() != array.bytes.size())
      return Error{ErrorCode::kCorrupt, path.string() + ": " + array.name +
                                            " is missing or of another size; use --restart to begin again"};
    std::memcpy(array.bytes.data(), tensor->bytes.data(), array.bytes.size());
  }
  return {};
}

Status save_quantized_blocks(const std::filesystem::path& path, const LanguageModel& model, std::size_t first,
                             std::size_t end) {
  std::vector<NamedArray> arrays;
  std::vector<std::unique_ptr<MatrixArrays>> kept;
  // The arrays of a file to be written are only read.
  visit_blocks(
      const_cast<LanguageModel&>(model), first, end,
      [&](const std::string& name, Linear& linear) {
        kept.push_back(std::make_unique<MatrixArrays>(*linear.quantized));
        kept.back()->take(*linear.quantized);
        kept.back()->add_to(arrays, name);
      },
      [&](const std::string& name, NormWeights& norm) {
        arrays.push_back({name, DType::kF32, bytes_of(norm.weight)});
      });
  return save_arrays(path, std::move(arrays));
}

Status load_quantized_blocks(const std::filesystem::path& path, LanguageModel& model, std::size_t first,
                             std::size_t end) {
  std::vector<NamedArray> arrays;
  std::vector<std::pair<Linear*, std::unique_ptr<MatrixArrays>>> kept;
  std::vector<std::pair<NormWeights*, std::vector<float>>> norms;
  norms.reserve((end - first) * kNumNormSlots + 1);  // their arrays must not move
  visit_blocks(
      model, first, end,
      [&](const std::string& name, Linear& linear) {
        kept.emplace_back(&linear, std::make_unique<MatrixArrays>(*linear.quantized));
        kept.back().second->add_to(arrays, name);
      },
      [&](const std::string& name, NormWeights& norm) {
        norms.emplace_back(&norm, std::vector<float>(norm.weight.size()));
        arrays.push_back({name, DType::kF32, bytes_of(norms.back().second)});
      });
  ASSAY_RETURN_IF_ERROR(load_arrays(path, arrays));
  for (auto& [linear, stored] : kept) {
    auto matrix = std::make_shared<GroupQuantMatrix>(*linear->quantized);
    stored->give(*matrix);
    linear->set_quantized(std::move(matrix), linear->column_order);
  }
  for (auto& [norm, stored] : norms) norm->weight = std::move(stored);
  return {};
}

std::vector<NamedArray> arrays_of(TrainingState& state, const std::string& prefix,
                                  const TrainingRates& rates) {
  std::vector<NamedArray> arrays;
  for (std::size_t i = 0; i < state.layers.size(); ++i) {
    auto& layer = state.layers[i];
    const std::string name = prefix + ".linear" + std::to_string(i);
    const auto add = [&](const std::string& what, Matrix<float>& values, AdamState& adam, float rate) {
      if (rate <= 0) return;
      arrays.push_back({name + what, DType::kF32, bytes_of(values)});
      add_adam(arrays, name + what, adam, values.values().size(), rate);
    };
    add(".latent", layer.parameters.latent, layer.latent, rates.latent);
    add(".scales", layer.parameters.scales, layer.scales, rates.scale);
    add(".zeros", layer.parameters.zeros, layer.zeros, rates.zero);
  }
  for (std::size_t i = 0; i < state.norms.size(); ++i) {
    const std::string name = prefix + ".norm" + std::to_string(i);
    arrays.push_back({name, DType::kF32, bytes_of(state.norms[i].factors)});
    add_adam(arrays, name, state.norms[i].adam, state.norms[i].factors.size(), rates.norm);
  }
  return arrays;
}

}  // namespace assay
