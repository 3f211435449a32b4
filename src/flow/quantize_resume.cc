#include "flow/quantize_resume.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "formats/gptq/gptq_tensors.h"
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/safetensors_writer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Zero points of 0 may occur, so stored blocks always use the format that holds them.
constexpr GptqFormat kStoredFormat = GptqFormat::kV2;

ordered_json to_json(const LayerReport& report) {
  ordered_json row{{"name", report.name},           {"bits", report.bits}, {"rows", report.rows}, {"cols", report.cols}, {"weight_error", report.weight_error},
                   {"damp_used", report.damp_used}, {"damp_retries", report.damp_retries}, {"seconds", report.seconds}};
  if (report.output_error) row["output_error"] = *report.output_error;
  if (report.target_strength) row["target_strength"] = *report.target_strength;
  if (report.held_out_error) row["held_out_error"] = *report.held_out_error;
  for (const auto& step : report.steps) {
    row["steps"].push_back({{"step", step.step}, {"before", step.before}, {"after", step.after}, {"kept", step.kept}});
  }
  return row;
}

LayerReport report_from(const ordered_json& row) {
  LayerReport report{row.value("name", ""), row.value("bits", 0), row.value("rows", std::int64_t{0}), row.value("cols", std::int64_t{0})};
  report.weight_error = row.value("weight_error", 0.0);
  if (row.contains("output_error")) report.output_error = row.value("output_error", 0.0);
  if (row.contains("target_strength")) report.target_strength = row.value("target_strength", 0.0);
  if (row.contains("held_out_error")) report.held_out_error = row.value("held_out_error", 0.0);
  for (const auto& step : row.value("steps", ordered_json::array())) {
    report.steps.push_back({step.value("step", ""), step.value("before", 0.0), step.value("after", 0.0), step.value("kept", true)});
  }
  report.damp_used = row.value("damp_used", 0.0);
  report.damp_retries = row.value("damp_retries", 0);
  report.seconds = row.value("seconds", 0.0);
  return report;
}

Error io_error(const fs::path& path, const std::error_code& error) { return {ErrorCode::kIo, path.string() + ": " + error.message()}; }

// In one step under its name, since a folder that is cut short while its files go would be taken for a run to go on from.
void discard(const fs::path& folder) {
  std::error_code error;
  fs::path gone = folder;
  gone += ".discarded";
  fs::remove_all(gone, error);
  fs::rename(folder, gone, error);
  fs::remove_all(gone, error);
}

}  // namespace

Result<QuantizeResume> QuantizeResume::open(const fs::path& out, const std::string& fingerprint, bool restart) {
  fs::path folder = out;
  if (!folder.has_filename()) folder = folder.parent_path();
  folder += ".partial";
  const fs::path settings = folder / "settings.json";
  std::error_code error;
  if (restart) discard(folder);
  if (fs::exists(settings, error)) {
    ASSAY_TRY(const MappedFile file, MappedFile::open(settings));
    if (as_text(file.bytes()) != fingerprint) {
      return Error{ErrorCode::kInvalidArgument, folder.string() + ": an unfinished run with other settings, data or weights is here; use --restart to discard it"};
    }
    return QuantizeResume(out, folder);
  }
  fs::create_directories(folder, error);
  if (error) return io_error(folder, error);
  ASSAY_RETURN_IF_ERROR(write_file_atomically(settings, fingerprint));
  return QuantizeResume(out, folder);
}

fs::path QuantizeResume::block_path(std::int64_t layer, const char* extension) const {
  char name[32];
  std::snprintf(name, sizeof(name), "block-%05d%s", static_cast<int>(layer), extension);
  return folder_ / name;
}

// The report is written last, so a block that has one is whole.
bool QuantizeResume::has_block(std::int64_t layer) const { return fs::exists(block_path(layer, ".json")); }

Result<BlockReport> QuantizeResume::load_block(std::int64_t layer, Block& block) const {
  const fs::path path = block_path(layer, ".safetensors");
  const auto damaged = [&](const std::string& what) {
    return Error{ErrorCode::kCorrupt, path.string() + ": " + what + "; use --restart to begin again"};
  };
  ASSAY_TRY(const MappedFile file, MappedFile::open(path));
  const auto parsed = parse_safetensors(file.bytes());
  if (!parsed) return damaged(parsed.error().message);
  for (auto& linear : block.linears) {
    if (!linear) continue;
    const auto find = [&](const char* suffix) { return parsed->find(linear->name + suffix); };
    const TensorView *qweight = find(".qweight"), *qzeros = find(".qzeros"), *scales = find(".scales"), *g_idx = find(".g_idx"), *shape = find(".bits_and_group");
    if (qweight == nullptr || qzeros == nullptr || scales == nullptr || g_idx == nullptr || shape == nullptr) return damaged(linear->name + " is missing");
    std::int32_t bits_and_group[2] = {0, 0};
    if (shape->bytes.size() != sizeof(bits_and_group)) return damaged(shape->name + " has a wrong size");
    std::memcpy(bits_and_group, shape->bytes.data(), sizeof(bits_and_group));
    auto unpacked = unpack_gptq({*qweight, *qzeros, *scales, *g_idx}, bits_and_group[0], bits_and_group[1], kStoredFormat);
    if (!unpacked) return damaged(unpacked.error().message);
    if (unpacked->matrix.rows() != linear->weight.rows || unpacked->matrix.cols() != linear->weight.cols) return damaged(linear->name + " has another shape");
    linear->set_quantized(std::make_shared<GroupQuantMatrix>(std::move(unpacked->matrix)), std::move(unpacked->column_order));
  }
  ASSAY_TRY(const MappedFile report_file, MappedFile::open(block_path(layer, ".json")));
  const ordered_json json = ordered_json::parse(as_text(report_file.bytes()), nullptr, false);
  if (!json.is_object() || !json.contains("layers")) return damaged("its report is not JSON");
  BlockReport report;
  for (const auto& row : json["layers"]) {
    if (row.is_object()) report.layers.push_back(report_from(row));
  }
  if (json.contains("held_out_error")) report.held_out_error = json.value("held_out_error", 0.0);
  return report;
}

Status QuantizeResume::save_block(std::int64_t layer, const Block& block, const BlockReport& report) const {
  std::vector<PackedGptq> packed;
  std::vector<std::int32_t> bits_and_groups;
  std::vector<std::string> names;
  for (const auto& linear : block.linears) {
    if (!linear) continue;
    auto result = pack_gptq(*linear->quantized, linear->column_order, kStoredFormat);
    if (!result) return result.error().with_context(linear->name);
    packed.push_back(*std::move(result));
    names.push_back(linear->name);
    bits_and_groups.push_back(linear->quantized->bits());
    bits_and_groups.push_back(static_cast<std::int32_t>(linear->quantized->group_size()));
  }
  std::map<std::string, TensorView> views;
  std::vector<TensorDeclaration> declarations;
  for (std::size_t i = 0; i < packed.size(); ++i) {
    auto tensors = gptq_tensor_views(packed[i], names[i]);
    tensors.push_back({names[i] + ".bits_and_group", DType::kI32, {2}, std::as_bytes(std::span(bits_and_groups).subspan(2 * i, 2))});
    for (auto& view : tensors) {
      declarations.push_back({view.name, view.dtype, view.shape});
      views.emplace(view.name, view);
    }
  }
  sort_as_reference(declarations);
  ASSAY_TRY(SafetensorsWriter writer, SafetensorsWriter::create(block_path(layer, ".safetensors"), declarations, {}));
  for (const auto& declaration : declarations) ASSAY_RETURN_IF_ERROR(writer.append(declaration.name, views.at(declaration.name).bytes));
  ASSAY_RETURN_IF_ERROR(writer.commit());
  ordered_json json{{"layers", ordered_json::array()}};
  for (const auto& row : report.layers) json["layers"].push_back(to_json(row));
  if (report.held_out_error) json["held_out_error"] = *report.held_out_error;
  return write_file_atomically(block_path(layer, ".json"), json.dump());
}

Result<fs::path> QuantizeResume::result_folder() const {
  const fs::path result = folder_ / "result";
  std::error_code error;
  fs::remove_all(result, error);
  fs::create_directories(result, error);
  if (error) return io_error(result, error);
  return result;
}

Status QuantizeResume::publish() const {
  std::error_code error;
  if (fs::is_directory(out_, error)) fs::remove(out_, error);  // an empty folder that the user made
  fs::path target = out_;
  if (!target.has_filename()) target = target.parent_path();
  fs::rename(folder_ / "result", target, error);
  if (error) return io_error(out_, error);
  discard(folder_);
  return {};
}

}  // namespace assay
