// What the converter says to checkpoints that are wrong.
#include "detect/families/convert.h"

#include <cmath>
#include <cstring>
#include <list>
#include <nlohmann/json.hpp>
#include <regex>

#include "detect/families/checkpoint_testing.h"
#include "tensor/float16.h"

namespace assay::detect {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;

// A golden checkpoint, to be spoilt.
struct Checkpoint {
  LoadedTensors loaded;
  TensorMap tensors;
  json config;
  std::list<std::vector<std::byte>> owned;  // bytes of tensors that replace others

  explicit Checkpoint(const std::string& name)
      : loaded(load(golden("detr/" + name) / "model.safetensors")),
        tensors(loaded.map()),
        config(json::parse(read_bytes(golden("detr/" + name) / "config.json"))) {}

  template <typename T>
  void replace(const std::string& name, DType dtype, std::vector<std::int64_t> shape,
               const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    owned.emplace_back(bytes.begin(), bytes.end());
    tensors[name] = TensorView{name, dtype, std::move(shape), owned.back()};
  }
  std::vector<float> floats(const std::string& name) const {
    const ByteView bytes = tensors.at(name).bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  Result<tflite::Model> convert(InputSize size = {64, 64}, const ConvertOptions& options = {}) const {
    return convert_detector(config.dump(), {}, tensors, size, options);
  }
};

TEST(ConvertDetector, NamesAMissingTensor) {
  Checkpoint checkpoint("detr-timm");
  checkpoint.tensors.erase("model.encoder.layers.1.fc2.weight");
  EXPECT_THAT(
      checkpoint.convert(),
      FailsWith(ErrorCode::kCorrupt, "missing tensors: 'model.encoder.layers.1.fc2.weight' [24, 36]"));
}

TEST(ConvertDetector, NamesEveryTensorOfAFamilyThatIsMissing) {
  for (const char* name :
       {"detr-timm", "detr-native", "detr-native-v5", "conditional", "yolos", "yolos-mid", "deformable",
        "deformable-refine", "deformable-single-scale", "deformable-two-stage"}) {
    const Checkpoint whole(name);
    for (const auto& [tensor, view] : whole.tensors) {
      if (tensor.find("num_batches_tracked") != std::string::npos) continue;
      // The answers of the first of two layers are for training.
      const bool refines = whole.config.value("with_box_refine", false);
      if (refines && tensor.starts_with("class_embed.0.")) continue;
      Checkpoint checkpoint = whole;
      checkpoint.tensors.erase(tensor);
      const auto model = checkpoint.convert();
      ASSERT_FALSE(model.has_value()) << name << " " << tensor;
      // Without the tensor that tells a spelling or a depth, others may be the ones that are named.
      EXPECT_THAT(model.error().message, AnyOf(HasSubstr("missing tensors"), HasSubstr("has not"))) << tensor;
    }
  }
}

TEST(ConvertDetector, TakesTheNamesThatTransformersHasInMemory) {
  const std::vector<std::pair<std::regex, std::string>> renamings = {
      {std::regex("backbone\\.conv_encoder\\."), "backbone."},
      {std::regex("_attn\\.out_proj\\."), "_attn.o_proj."},
      {std::regex("(layers\\.[0-9]+)\\.(fc[12])\\."), "$1.mlp.$2."},
      {std::regex("\\.sa_([qk])(content|pos)_proj\\."), ".self_attn.$1_$2_proj."},
      {std::regex("\\.sa_v_proj\\."), ".self_attn.v_proj."},
      {std::regex("\\.ca_([qk])(content|pos|pos_sine)_proj\\."), ".encoder_attn.$1_$2_proj."},
      {std::regex("\\.ca_v_proj\\."), ".encoder_attn.v_proj."},
      {std::regex("encoder\\.mid_position"), "encoder.interpolation.mid_position"}};
  for (const char* name : {"detr-timm", "conditional", "deformable", "deformable-two-stage", "yolos-mid"}) {
    Checkpoint checkpoint(name);
    TensorMap renamed;
    for (const auto& [tensor, view] : checkpoint.tensors) {
      std::string path = tensor;
      for (const auto& [from, to] : renamings) path = std::regex_replace(path, from, to);
      renamed.emplace(path, view);
    }
    ASSERT_EQ(renamed.size(), checkpoint.tensors.size()) << name;
    ASSERT_FALSE(std::equal(renamed.begin(), renamed.end(), checkpoint.tensors.begin(),
                            [](const auto& a, const auto& b) { return a.first == b.first; }))
        << name;
    checkpoint.tensors = renamed;
    EXPECT_THAT(checkpoint.convert(), IsOk()) << name;
  }
}

TEST(ConvertDetector, NamesATensorThatTheModelHasNot) {
  Checkpoint checkpoint("detr-timm");
  checkpoint.replace<float>("model.encoder.layers.2.fc2.bias", DType::kF32, {1}, {0.0f});
  EXPECT_THAT(checkpoint.convert(), FailsWith(ErrorCode::kCorrupt, "'model.encoder.layers.2.fc2.bias'"));
}

TEST(ConvertDetector, NamesATensorOfAnotherShape) {
  Checkpoint checkpoint("detr-timm");
  checkpoint.replace<float>("bbox_predictor.layers.2.bias", DType::kF32, {5}, std::vector<float>(5));
  EXPECT_THAT(checkpoint.convert(),
              FailsWith(ErrorCode::kCorrupt, "'bbox_predictor.layers.2.bias' is [5], expected [4]"));
}

TEST(ConvertDetector, NamesATensorOfAnotherType) {
  Checkpoint checkpoint("detr-timm");
  checkpoint.replace<std::int32_t>("bbox_predictor.layers.2.bias", DType::kI32, {4}, {1, 2, 3, 4});
  EXPECT_THAT(checkpoint.convert(),
              FailsWith(ErrorCode::kCorrupt, "'bbox_predictor.layers.2.bias' is I32, expected F32"));
}

TEST(ConvertDetector, NamesATensorThatIsNotFinite) {
  for (const char* name : {"bbox_predictor.layers.2.bias", "model.encoder.layers.0.self_attn.q_proj.weight",
                           "model.backbone.conv_encoder.model.layer1.0.bn1.running_mean"}) {
    for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      Checkpoint checkpoint("detr-timm");
      auto values = checkpoint.floats(name);
      values.back() = wrong;
      checkpoint.replace(name, DType::kF32, checkpoint.tensors.at(name).shape, values);
      EXPECT_THAT(
          checkpoint.convert(),
          FailsWith(ErrorCode::kCorrupt, "'" + std::string(name) + "' has values that are not finite"));
    }
  }
}

TEST(ConvertDetector, NamesAVarianceThatHasNoRoot) {
  Checkpoint checkpoint("detr-timm");
  const std::string name = "model.backbone.conv_encoder.model.bn1.running_var";
  auto values = checkpoint.floats(name);
  values[3] = -0.5f;
  checkpoint.replace(name, DType::kF32, checkpoint.tensors.at(name).shape, values);
  EXPECT_THAT(checkpoint.convert(), FailsWith(ErrorCode::kCorrupt, "'" + name + "' has negative values"));
}

struct WrongValue {
  const char* checkpoint;
  json patch;  // of config.json
  ErrorCode code;
  const char* message;
};

TEST(ConvertDetector, NamesTheKeyOfAValueThatItDoesNotSupport) {
  const auto unsupported = ErrorCode::kUnsupported, corrupt = ErrorCode::kCorrupt;
  const std::vector<WrongValue> wrong = {
      {"detr-timm", {{"model_type", "mask2former"}}, unsupported, "config.json: model_type: 'mask2former'"},
      {"detr-timm", {{"model_type", nullptr}}, unsupported, "model_type"},
      {"detr-timm",
       {{"position_embedding_type", "learned"}},
       unsupported,
       "position_embedding_type: 'learned'"},
      {"detr-timm", {{"activation_function", "mish"}}, unsupported, "activation_function: 'mish'"},
      {"detr-timm", {{"backbone", "resnet50d"}}, unsupported, "backbone: 'resnet50d'"},
      {"detr-timm", {{"backbone", 50}}, corrupt, "backbone: expected"},
      {"detr-timm", {{"d_model", 26}}, corrupt, "d_model: 26"},
      {"detr-timm", {{"d_model", std::int64_t{1} << 31}}, corrupt, "d_model: expected an integer from 1 to"},
      {"detr-timm", {{"d_model", 1e300}}, corrupt, "d_model: expected an integer"},
      {"detr-timm", {{"d_model", nullptr}}, corrupt, "d_model: is missing"},
      {"detr-timm", {{"d_model", -24}}, corrupt, "d_model: expected an integer from 1 to"},
      {"detr-timm",
       {{"encoder_layers", 1'000'000'000}},
       corrupt,
       "encoder_layers: expected an integer from 1 to"},
      {"detr-timm", {{"decoder_layers", 0}}, corrupt, "decoder_layers: expected an integer from 1 to"},
      {"detr-timm", {{"encoder_attention_heads", 5}}, corrupt, "d_model: 24, expected a multiple"},
      {"detr-timm", {{"decoder_attention_heads", 48}}, corrupt, "d_model: 24, expected a multiple"},
      {"detr-timm", {{"num_queries", 100'000'000}}, corrupt, "num_queries: expected an integer from 1 to"},
      {"detr-timm", {{"num_queries", "nine"}}, corrupt, "num_queries: expected an integer"},
      {"detr-timm", {{"auxiliary_loss", true}}, unsupported, "auxiliary_loss: true"},
      {"detr-timm", {{"backbone_kwargs", {{"layers", {1, 2}}}}}, unsupported, "backbone_kwargs"},
      {"detr-timm", {{"dilation", "yes"}}, corrupt, "dilation: expected true or false"},
      {"detr-timm",
       {{"id2label", nullptr}, {"num_labels", 1'000'000'000}},
       corrupt,
       "num_labels: 1000000000"},
      {"detr-native",
       {{"backbone_config", {{"hidden_act", "gelu"}}}},
       unsupported,
       "backbone_config.hidden_act: 'gelu'"},
      {"detr-native",
       {{"backbone_config", {{"layer_type", "swin"}}}},
       unsupported,
       "backbone_config.layer_type: 'swin'"},
      {"detr-native",
       {{"backbone_config", {{"model_type", "swin"}}}},
       unsupported,
       "backbone_config.model_type: 'swin'"},
      {"detr-native",
       {{"backbone_config", {{"depths", {1, 2, 1}}}}},
       corrupt,
       "backbone_config: depths and hidden_sizes"},
      {"detr-native",
       {{"backbone_config", {{"depths", {1, 2, 1, 1'000'000'000}}}}},
       corrupt,
       "depths: expected"},
      {"detr-native",
       {{"backbone_config", {{"hidden_sizes", {16, 16, 32, std::int64_t{1} << 31}}}}},
       corrupt,
       "hidden_sizes: expected"},
      {"detr-native", {{"backbone_config", {{"out_features", {"stage9"}}}}}, unsupported, "out_features"},
      {"detr-native", {{"dilation", true}}, unsupported, "dilation"},
      {"conditional",
       {{"position_embedding_type", "learned"}},
       unsupported,
       "position_embedding_type: 'learned'"},
      {"deformable",
       {{"num_feature_levels", 17}},
       corrupt,
       "num_feature_levels: expected an integer from 1 to"},
      {"deformable", {{"encoder_n_points", 1'000'000'000}}, corrupt, "encoder_n_points: expected an integer"},
      {"deformable", {{"decoder_n_points", 0}}, corrupt, "decoder_n_points: expected an integer"},
      {"deformable", {{"two_stage", true}}, unsupported, "two_stage: true without with_box_refine"},
      {"deformable", {{"d_model", 48}}, corrupt, "d_model: 48, expected a multiple of 32"},
      {"deformable-two-stage",
       {{"two_stage_num_proposals", -1}},
       corrupt,
       "two_stage_num_proposals: expected"},
      {"yolos", {{"qkv_bias", false}}, unsupported, "qkv_bias: false"},
      {"yolos", {{"hidden_act", "mish"}}, unsupported, "hidden_act: 'mish'"},
      {"yolos", {{"image_size", {80}}}, corrupt, "image_size: expected one or two integers"},
      {"yolos",
       {{"image_size", {std::int64_t{1} << 40, 70}}},
       corrupt,
       "image_size: expected one or two integers"},
      {"yolos", {{"image_size", {8, 70}}}, corrupt, "image_size: smaller than patch_size"},
      {"yolos", {{"patch_size", {16, 8}}}, unsupported, "patch_size: expected the same"},
      {"yolos", {{"patch_size", 0}}, corrupt, "patch_size: expected one or two integers"},
      {"yolos", {{"hidden_size", 25}}, corrupt, "hidden_size: 25"},
      {"yolos",
       {{"num_hidden_layers", 1'000'000'000}},
       corrupt,
       "num_hidden_layers: expected an integer from 1 to"},
      {"yolos",
       {{"num_detection_tokens", 1'000'000'000}},
       corrupt,
       "num_detection_tokens: expected an integer"},
  };
  for (const WrongValue& value : wrong) {
    Checkpoint checkpoint(value.checkpoint);
    checkpoint.config.merge_patch(value.patch);
    EXPECT_THAT(checkpoint.convert(), FailsWith(value.code, value.message)) << value.patch;
  }
}

TEST(ConvertDetector, NamesWhatTheLabelsLack) {
  Checkpoint holes("detr-timm"), numbers("detr-timm");
  holes.config["id2label"].erase("3");
  EXPECT_THAT(holes.convert(),
              FailsWith(ErrorCode::kCorrupt, "id2label: expected a text for each of 0 to 5, missing at 3"));
  numbers.config["id2label"]["2"] = 7;
  EXPECT_THAT(numbers.convert(),
              FailsWith(ErrorCode::kCorrupt, "id2label: expected a text for each of 0 to 6, missing at 2"));
}

TEST(ConvertDetector, RefusesConfigurationsThatAreNoJsonObject) {
  const Checkpoint checkpoint("detr-timm");
  for (const char* text : {"", "{", "[]", "null", "{\"model_type\": \"detr\""})
    EXPECT_THAT(convert_detector(text, {}, checkpoint.tensors, {64, 64}),
                FailsWith(ErrorCode::kCorrupt, "config.json"))
        << text;
}

TEST(ConvertDetector, RefusesSizesThatThePatchesDoNotFit) {
  EXPECT_THAT(Checkpoint("yolos").convert({15, 64}),
              FailsWith(ErrorCode::kUnsupported,
                        "vit.embeddings.patch_embeddings.projection: the input [1, 15, 64, 3]"));
}

TEST(ConvertDetector, RefusesSizesThatHaveFewerTokensThanProposals) {
  EXPECT_THAT(Checkpoint("deformable-two-stage").convert({1, 1}),
              FailsWith(ErrorCode::kCorrupt, "model.proposals: the 9 largest of [4]"));
}

TEST(ConvertDetector, RefusesSizesBeyondAnyPicture) {
  for (const InputSize size : {InputSize{0, 64}, InputSize{64, -1}, InputSize{64, 1 << 30}})
    EXPECT_THAT(Checkpoint("detr-timm").convert(size), FailsWith(ErrorCode::kInvalidArgument, "size: "));
}

TEST(ConvertDetector, TakesTheSmallestPicture) {
  EXPECT_THAT(Checkpoint("detr-timm").convert({1, 1}), IsOk());
  EXPECT_THAT(Checkpoint("conditional").convert({1, 1}, {.padding = true}), IsOk());
  EXPECT_THAT(Checkpoint("deformable").convert({1, 1}, {.padding = true}), IsOk());
  EXPECT_THAT(Checkpoint("yolos").convert({16, 16}), IsOk());
}

TEST(ConvertDetector, RefusesPaddingWhereTheModelHasNoMask) {
  EXPECT_THAT(Checkpoint("yolos").convert({64, 64}, {.padding = true}),
              FailsWith(ErrorCode::kUnsupported, "padding: yolos"));
}

TEST(ConvertDetector, HasAMaskAsSecondInputOfPaddedPicturesOnly) {
  const Checkpoint checkpoint("detr-timm");
  const auto plain = checkpoint.convert({64, 96}), padded = checkpoint.convert({64, 96}, {.padding = true});
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(padded, IsOk());
  EXPECT_EQ(plain->signatures[0].inputs.size(), 1u);
  ASSERT_EQ(padded->signatures[0].inputs.size(), 2u);
  EXPECT_EQ(padded->signatures[0].inputs[1].name, "pixel_mask");
  EXPECT_EQ(padded->main().tensors[padded->signatures[0].inputs[1].tensor].shape,
            (std::vector<std::int32_t>{1, 64, 96}));
}

// Every tensor of float32 in another type, and the same values in float32 again.
template <typename Half>
void expect_the_same_as_its_rounding(DType dtype, Half (*from_float)(float)) {
  for (const char* name : {"detr-timm", "yolos-mid"}) {
    Checkpoint half(name), rounded(name);
    const Checkpoint whole(name);
    for (const auto& [tensor, view] : half.loaded.map()) {
      if (view.dtype != DType::kF32) continue;
      std::vector<Half> narrow;
      std::vector<float> wide;
      for (const float value : half.floats(tensor)) {
        narrow.push_back(from_float(value));
        wide.push_back(to_float(narrow.back()));
      }
      half.replace(tensor, dtype, view.shape, narrow);
      rounded.replace(tensor, DType::kF32, view.shape, wide);
    }
    const auto from_half = half.convert(), from_rounded = rounded.convert(), original = whole.convert();
    ASSERT_THAT(from_half, IsOk());
    ASSERT_THAT(from_rounded, IsOk());
    EXPECT_EQ(*tflite::write(*from_half), *tflite::write(*from_rounded));
    EXPECT_NE(*tflite::write(*from_half), *tflite::write(*original));
  }
}

TEST(ConvertDetector, MakesOfFloat16WhatItMakesOfTheSameValuesInFloat32) {
  expect_the_same_as_its_rounding<Float16>(DType::kF16, to_float16);
}

TEST(ConvertDetector, MakesOfBfloat16WhatItMakesOfTheSameValuesInFloat32) {
  expect_the_same_as_its_rounding<BFloat16>(DType::kBF16, to_bfloat16);
}

}  // namespace
}  // namespace assay::detect
