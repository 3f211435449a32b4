// Checkpoints that GPTQModel wrote, against their weights dequantized by an unpacker of its own
// (tests/goldens/gptq/PROVENANCE.md).
#include <algorithm>
#include <cstring>

#include "formats/gptq/gptq_config.h"
#include "formats/gptq/gptq_tensors.h"
#include "formats/safetensors/safetensors.h"
#include "support/testing.h"

namespace assay {
namespace {

constexpr std::string_view kWeightPrefix = "weight.";

// W[o, input] as the checkpoint means it, row-major.
std::vector<float> dequantize(const UnpackedGptq& unpacked) {
  const GroupQuantMatrix& matrix = unpacked.matrix;
  std::vector<float> weight(static_cast<std::size_t>(matrix.rows() * matrix.cols()));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(matrix.cols()));
  for (std::int64_t r = 0; r < matrix.rows(); ++r) {
    matrix.get_row(r, codes);
    for (std::int64_t c = 0; c < matrix.cols(); ++c) {
      const std::int64_t group = c / matrix.group_size();
      const std::int64_t input =
          unpacked.column_order.empty() ? c : unpacked.column_order[static_cast<std::size_t>(c)];
      const int steps = codes[static_cast<std::size_t>(c)] - matrix.zero(r, group);
      weight[static_cast<std::size_t>(r * matrix.cols() + input)] =
          to_float(matrix.scale(r, group)) * static_cast<float>(steps);
    }
  }
  return weight;
}

std::vector<std::string> checkpoints() {
  std::vector<std::string> names;
  if (!std::filesystem::exists(golden("gptq"))) return names;
  for (const auto& entry : std::filesystem::directory_iterator(golden("gptq"))) {
    if (std::filesystem::exists(entry.path() / "golden.safetensors"))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Checkpoint {
  std::string model_bytes, golden_bytes;
  GptqConfig config;
  SafetensorsFile model, expected;
};

Result<Checkpoint> load(const std::string& name) {
  const auto folder = golden("gptq") / name;
  Checkpoint checkpoint{
      read_bytes(folder / "model.safetensors"), read_bytes(folder / "golden.safetensors"), {}, {}, {}};
  ASSAY_TRY(checkpoint.config, parse_gptq_config(as_bytes(read_bytes(folder / "config.json"))));
  ASSAY_TRY(checkpoint.model, parse_safetensors(as_bytes(checkpoint.model_bytes)));
  ASSAY_TRY(checkpoint.expected, parse_safetensors(as_bytes(checkpoint.golden_bytes)));
  return checkpoint;
}

GptqTensors tensors_of(const SafetensorsFile& model, const std::string& module) {
  return {*model.find(module + ".qweight"), *model.find(module + ".qzeros"), *model.find(module + ".scales"),
          *model.find(module + ".g_idx")};
}

class GptqGolden : public testing::TestWithParam<std::string> {};

TEST_P(GptqGolden, UnpacksToTheWeightsOfTheReference) {
  const auto checkpoint = load(GetParam());
  ASSERT_THAT(checkpoint, IsOk());
  int compared = 0;
  for (const TensorView& expected : checkpoint->expected.tensors) {
    if (!expected.name.starts_with(kWeightPrefix)) continue;
    const std::string module = expected.name.substr(kWeightPrefix.size());
    const auto settings = gptq_module_config(checkpoint->config, module);
    ASSERT_THAT(settings, IsOk());
    ASSERT_TRUE(settings->quantized);
    const auto unpacked = unpack_gptq(tensors_of(checkpoint->model, module), settings->bits,
                                      settings->group_size, checkpoint->config.format);
    ASSERT_THAT(unpacked, IsOk());
    const std::vector<float> weight = dequantize(*unpacked);
    ASSERT_EQ(weight.size() * sizeof(float), expected.bytes.size());
    EXPECT_EQ(std::memcmp(weight.data(), expected.bytes.data(), expected.bytes.size()), 0) << module;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_P(GptqGolden, PacksToTheSameBytes) {
  const auto checkpoint = load(GetParam());
  ASSERT_THAT(checkpoint, IsOk());
  for (const TensorView& tensor : checkpoint->model.tensors) {
    if (!tensor.name.ends_with(".qweight")) continue;
    const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
    const auto settings = gptq_module_config(checkpoint->config, module);
    ASSERT_THAT(settings, IsOk());
    const auto unpacked = unpack_gptq(tensors_of(checkpoint->model, module), settings->bits,
                                      settings->group_size, checkpoint->config.format);
    ASSERT_THAT(unpacked, IsOk());
    const auto packed = pack_gptq(unpacked->matrix, unpacked->column_order, checkpoint->config.format);
    ASSERT_THAT(packed, IsOk());
    for (const TensorView& written : gptq_tensor_views(*packed, module)) {
      const TensorView* original = checkpoint->model.find(written.name);
      ASSERT_NE(original, nullptr);
      EXPECT_EQ(written.shape, original->shape) << written.name;
      EXPECT_EQ(as_text(written.bytes), as_text(original->bytes)) << written.name;
    }
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GptqGolden);
INSTANTIATE_TEST_SUITE_P(Checkpoints, GptqGolden, testing::ValuesIn(checkpoints()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace assay
