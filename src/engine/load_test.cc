#include "engine/load.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/safetensors_writer.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A copy of a small checkpoint that a test may spoil.
class SpoiledCheckpoint : public testing::Test {
 protected:
  void SetUp() override { fs::copy(golden("families/llama-mha"), folder(), fs::copy_options::recursive); }
  fs::path folder() const { return dir_ / "model"; }

  void edit_config(const std::function<void(nlohmann::json&)>& edit) {
    auto config = nlohmann::json::parse(read_bytes(folder() / "config.json"));
    edit(config);
    write_bytes(folder() / "config.json", config.dump());
  }

  // Rewrites model.safetensors without `dropped`, and with the first value of `spoiled` (a float32 tensor) set to NaN.
  void rewrite(const std::string& dropped, const std::string& spoiled) {
    const std::string bytes = read_bytes(folder() / "model.safetensors");
    const auto file = parse_safetensors(as_bytes(bytes));
    ASSERT_THAT(file, IsOk());
    std::vector<TensorDeclaration> declarations;
    for (const auto& tensor : file->tensors) {
      if (tensor.name != dropped) declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
    }
    sort_as_reference(declarations);
    auto writer = SafetensorsWriter::create(folder() / "model.safetensors", declarations, {});
    ASSERT_THAT(writer, IsOk());
    for (const auto& declaration : declarations) {
      const TensorView* tensor = file->find(declaration.name);
      std::vector<std::byte> data(tensor->bytes.begin(), tensor->bytes.end());
      if (declaration.name == spoiled) {
        const float nan = std::nanf("");
        std::memcpy(data.data(), &nan, sizeof(nan));
      }
      ASSERT_THAT(writer->append(declaration.name, data), IsOk());
    }
    ASSERT_THAT(writer->commit(), IsOk());
  }

 private:
  TempDir dir_;
};

TEST_F(SpoiledCheckpoint, LoadsWhenNothingIsSpoiled) { EXPECT_THAT(load_model(folder()), IsOk()); }

TEST_F(SpoiledCheckpoint, NamesAnUnknownArchitectureAndTheKnownOnes) {
  edit_config([](auto& config) { config["model_type"] = "mamba"; });
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kUnsupported, "architecture 'mamba' is not known; known are: gpt2, opt"));
}

TEST_F(SpoiledCheckpoint, NamesAMissingTensor) {
  rewrite("model.layers.1.mlp.up_proj.weight", "");
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kNotFound, "model.layers.1.mlp.up_proj.weight"));
}

TEST_F(SpoiledCheckpoint, NamesANormThatIsNotANumber) {
  rewrite("", "model.layers.0.input_layernorm.weight");
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kCorrupt, "model.layers.0.input_layernorm.weight: value 0 is not a finite number"));
}

TEST_F(SpoiledCheckpoint, SaysWhichShapeContradictsTheConfiguration) {
  edit_config([](auto& config) { config["intermediate_size"] = 57; });
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kCorrupt, "mlp.gate_proj.weight: has shape [56, 32], expected [57, 32]"));
}

TEST_F(SpoiledCheckpoint, RefusesAbsurdSizesByTheirKey) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "intermediate_size", "max_position_embeddings"}) {
    for (const nlohmann::json& value : {nlohmann::json(-1), nlohmann::json(0), nlohmann::json(1e30), nlohmann::json("many"), nlohmann::json(std::int64_t{1} << 60)}) {
      const auto original = read_bytes(folder() / "config.json");
      edit_config([&](auto& config) { config[key] = value; });
      EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kCorrupt, key)) << value;
      write_bytes(folder() / "config.json", original);
    }
  }
}

TEST_F(SpoiledCheckpoint, RefusesHeadsThatDoNotDivide) {
  edit_config([](auto& config) { config["num_key_value_heads"] = 3; });
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kCorrupt, "num_key_value_heads: 3 does not divide"));
}

TEST_F(SpoiledCheckpoint, NamesAnUnknownRopeScaling) {
  edit_config([](auto& config) { config["rope_scaling"] = {{"rope_type", "spiral"}, {"factor", 2.0}}; });
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kUnsupported, "rope scaling 'spiral'"));
}

TEST_F(SpoiledCheckpoint, SaysThatConfigJsonIsNoJson) {
  write_bytes(folder() / "config.json", "{\"model_type\": ");
  EXPECT_THAT(load_model(folder()), FailsWith(ErrorCode::kCorrupt, "config.json: "));
}

TEST_F(SpoiledCheckpoint, NamesATruncatedWeightFile) {
  fs::resize_file(folder() / "model.safetensors", 5000);
  const auto loaded = load_model(folder());
  EXPECT_THAT(loaded, FailsWith(ErrorCode::kCorrupt, "model.safetensors"));
}

TEST(LoadModel, SaysWhatItExpectedWhereThereIsNoModel) {
  EXPECT_THAT(load_model("/nonexistent"), FailsWith(ErrorCode::kNotFound, "/nonexistent: no such model"));
  TempDir dir;
  EXPECT_THAT(load_model(dir.path()), FailsWith(ErrorCode::kNotFound, "config.json"));
  write_bytes(dir / "model.bin", "x");
  EXPECT_THAT(load_model(dir / "model.bin"), FailsWith(ErrorCode::kUnsupported, "neither a folder"));
}

TEST(LoadTokenizer, SaysThatAFolderHasNone) {
  EXPECT_THAT(load_tokenizer(golden("families/llama-gqa")), FailsWith(ErrorCode::kNotFound, "has no tokenizer.json"));
}

TEST(ModelSize, CountsEveryParameterOnce) {
  const auto model = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(model, IsOk());
  // 101 x 32 embedding and head; per layer q, o 32 x 32, k, v 16 x 32, three of 56 x 32, two norms of 32; the final norm.
  const std::uint64_t per_layer = 2 * 32 * 32 + 2 * 16 * 32 + 3 * 56 * 32;
  EXPECT_EQ(model_size(*model).linear_parameters, 3 * per_layer);
  EXPECT_EQ(model_size(*model).parameters, 2 * 101 * 32 + 3 * (per_layer + 2 * 32) + 32);
}

TEST(PackWeights, RepacksEveryMatrixThatHasAPackedFormAndCopiesDenseOnes) {
  auto model = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(model, IsOk());
  const auto untouched = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(untouched, IsOk());
  // Rows of 32 columns can be repacked as soon as they are quantized; 56 is not a multiple of 32.
  Linear& query = *model->blocks[1].at(Slot::kQ);
  query.set_quantized(std::make_shared<const GroupQuantMatrix>(4, query.weight.rows, query.weight.cols, 32), {});
  Linear& down = *model->blocks[1].at(Slot::kDown);
  down.set_quantized(std::make_shared<const GroupQuantMatrix>(4, down.weight.rows, down.weight.cols, 32), {});
  ThreadPool pool(2);
  ASSERT_TRUE(pack_weights(*model, pool).has_value());
  EXPECT_NE(query.weight.packed, nullptr);
  EXPECT_EQ(down.weight.packed, nullptr);
  EXPECT_EQ(down.resident, nullptr) << "groups without a packed form stay where they are";
  const Linear& dense = *model->blocks[0].at(Slot::kQ);
  EXPECT_EQ(dense.weight.packed, nullptr) << "a float matrix has none";
  const Linear& original = *untouched->blocks[0].at(Slot::kQ);
  ASSERT_NE(dense.resident, nullptr);
  EXPECT_GE(reinterpret_cast<const std::uint8_t*>(dense.weight.data), dense.resident->data());
  EXPECT_EQ(std::memcmp(dense.weight.data, original.weight.data, original.weight.weight_bytes()), 0);
  const PackedMatrix* first = query.weight.packed;
  ASSERT_TRUE(pack_weights(*model, pool).has_value());
  EXPECT_EQ(query.weight.packed, first) << "what is repacked stays";
}

TEST(PackWeights, AreForgottenWhereTheMatrixIsReplaced) {
  auto model = load_model(golden("families/llama-gqa"));
  ASSERT_THAT(model, IsOk());
  Linear& query = *model->blocks[0].at(Slot::kQ);
  const auto codes = std::make_shared<const GroupQuantMatrix>(4, query.weight.rows, query.weight.cols, 32);
  query.set_quantized(codes, {});
  ThreadPool pool(1);
  ASSERT_TRUE(pack_weights(*model, pool).has_value());
  query.set_quantized(codes, {});
  EXPECT_EQ(query.weight.packed, nullptr);
  EXPECT_EQ(query.resident, nullptr);
}

}  // namespace
}  // namespace assay
