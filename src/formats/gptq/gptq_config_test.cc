#include "formats/gptq/gptq_config.h"

#include <nlohmann/json.hpp>

#include "support/testing.h"

namespace assay {
namespace {

Result<GptqConfig> parse(const std::string& text) { return parse_gptq_config(as_bytes(text)); }

TEST(GptqConfig, ReadsWhatAutoGptqWrites) {
  const auto config = parse(R"({"bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": true,
    "static_groups": true, "sym": false, "true_sequential": false, "model_name_or_path": null,
    "model_file_base_name": "model", "is_marlin_format": false, "quant_method": "gptq"})");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->bits, 4);
  EXPECT_EQ(config->group_size, 128);
  EXPECT_EQ(config->damp_percent, 0.01);
  EXPECT_TRUE(config->desc_act);
  EXPECT_TRUE(config->static_groups);
  EXPECT_FALSE(config->sym);
  EXPECT_FALSE(config->true_sequential);
  EXPECT_EQ(config->format, GptqFormat::kV1);
}

TEST(GptqConfig, ReadsWhatTransformersWritesIntoTheModelsConfiguration) {
  const auto config = parse(R"({"model_type": "opt", "quantization_config": {"batch_size": 1, "bits": 3,
    "block_name_to_quantize": null, "damp_percent": 0.1, "dataset": "c4", "desc_act": false, "group_size": -1,
    "modules_in_block_to_quantize": null, "pad_token_id": null, "quant_method": "gptq", "sym": true, "tokenizer": null,
    "use_cuda_fp16": true, "meta": null, "format": "gptq", "checkpoint_format": "gptq"}})");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->bits, 3);
  EXPECT_EQ(config->group_size, -1);
}

TEST(GptqConfig, ReadsWhatGptqModelWrites) {
  for (const char* file : {"quantize_config.json", "config.json"}) {
    const auto path = golden("gptq/llama-int4-g32-asym-act-v2") / file;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
    const auto config = parse(read_bytes(path));
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->bits, 4);
    EXPECT_EQ(config->group_size, 32);
    EXPECT_TRUE(config->desc_act);
    EXPECT_FALSE(config->sym);
    EXPECT_EQ(config->format, GptqFormat::kV2);
    EXPECT_EQ(config->damp_percent, 0.05);
    EXPECT_NE(config->meta_json.find("gptqmodel:7.3.6"), std::string::npos);
  }
}

TEST(GptqConfig, UnderstandsOldSpellings) {
  const auto config = parse(R"({"w_bit": 8, "q_group_size": 32})");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->bits, 8);
  EXPECT_EQ(config->group_size, 32);
}

TEST(GptqConfig, NamesWhatItDoesNotSupport) {
  const auto refused = [](const std::string& fields, const char* why) {
    EXPECT_THAT(parse("{\"bits\": 4, " + fields + "}"), FailsWith(ErrorCode::kUnsupported, why)) << fields;
  };
  refused(R"("quant_method": "awq")", "quant_method 'awq'");
  refused(R"("quant_method": "bitsandbytes")", "'bitsandbytes'");
  refused(R"("checkpoint_format": "marlin")", "checkpoint_format 'marlin'");
  refused(R"("format": "gptq_p")", "'gptq_p'");
  refused(R"("is_marlin_format": true)", "is_marlin_format");
  refused(R"("pack_dtype": "int16")", "pack_dtype 'int16'");
  refused(R"("dynamic": {"a": {"bits": 5}})", "dynamic 'a': bits is 5");
  EXPECT_THAT(parse(R"({"bits": 5})"), FailsWith(ErrorCode::kUnsupported, "bits is 5"));
  EXPECT_THAT(parse(R"({"quantization_config": {"quant_method": "fp8"}})"),
              FailsWith(ErrorCode::kUnsupported, "'fp8'"));
}

TEST(GptqConfig, RefusesFieldsOfTheWrongTypeOrRange) {
  const auto refused = [](const std::string& fields, const char* why) {
    EXPECT_THAT(parse("{\"bits\": 4, " + fields + "}"), FailsWith(ErrorCode::kCorrupt, why)) << fields;
  };
  refused(R"("group_size": 0)", "group_size is 0");
  refused(R"("group_size": -2)", "group_size is -2");
  refused(R"("group_size": 1.5)", "group_size is not an integer");
  refused(R"("group_size": 18446744073709551615)", "group_size is not an integer");
  refused(R"("desc_act": 1)", "desc_act is not true or false");
  refused(R"("damp_percent": "a")", "damp_percent is not a number");
  refused(R"("checkpoint_format": 1)", "checkpoint_format is not a string");
  refused(R"("checkpoint_format": "gptq", "format": "gptq_v2")", "contradicts");
  refused(R"("meta": [])", "meta is not an object");
  refused(R"("dynamic": [])", "dynamic is not an object");
  refused(R"("dynamic": {"a": 1})", "dynamic 'a': its settings are not an object");
  refused(R"("dynamic": {"a(": {}})", "invalid at byte");
  refused(R"("bits": 4)", "'bits' occurs twice");
  EXPECT_THAT(parse(R"({"bits": "4"})"), FailsWith(ErrorCode::kCorrupt, "bits is not an integer"));
  EXPECT_THAT(parse(R"({"bits": 0})"), FailsWith(ErrorCode::kCorrupt, "bits is 0"));
  EXPECT_THAT(parse(R"({"quant_method": "gptq"})"), FailsWith(ErrorCode::kCorrupt, "bits is missing"));
  EXPECT_THAT(parse("[]"), FailsWith(ErrorCode::kCorrupt, "not a JSON object"));
  EXPECT_THAT(parse(R"({"quantization_config": []})"), FailsWith(ErrorCode::kCorrupt, "not an object"));
  EXPECT_THAT(parse(std::string(100000, '[')), FailsWith(ErrorCode::kCorrupt, "deeper"));
}

TEST(GptqConfig, SaysThatAModelIsNotQuantized) {
  EXPECT_THAT(parse(R"({"model_type": "opt"})"), FailsWith(ErrorCode::kNotFound, "not quantized"));
  EXPECT_THAT(parse(R"({"quantization_config": null})"), FailsWith(ErrorCode::kNotFound, "not quantized"));
}

TEST(GptqConfig, GivesModulesTheSettingsOfTheFirstPatternThatMatchesTheirStart) {
  const auto config = parse(R"({"bits": 4, "group_size": 64, "dynamic": {
    "-:model\\.layers\\.0\\.mlp": {},
    "+:.*\\.down_proj$": {"bits": 8, "group_size": 32, "desc_act": true, "sym": false},
    "down": {"bits": 2}}})");
  ASSERT_THAT(config, IsOk());
  const auto skipped = gptq_module_config(*config, "model.layers.0.mlp.down_proj");
  ASSERT_THAT(skipped, IsOk());
  EXPECT_FALSE(skipped->quantized);
  const auto changed = gptq_module_config(*config, "model.layers.1.mlp.down_proj");
  ASSERT_THAT(changed, IsOk());
  EXPECT_TRUE(changed->quantized);
  EXPECT_EQ(changed->bits, 8);
  EXPECT_EQ(changed->group_size, 32);
  EXPECT_TRUE(changed->desc_act);
  EXPECT_FALSE(changed->sym);
  const auto usual = gptq_module_config(*config, "model.layers.1.mlp.down_proj2");
  ASSERT_THAT(usual, IsOk());
  EXPECT_EQ(usual->bits, 4);
  EXPECT_EQ(usual->group_size, 64);
}

TEST(GptqConfig, StopsPatternsThatBacktrackWithoutEnd) {
  // The assertion at the end keeps the engine from seeing early that no match is possible.
  const auto config = parse(R"json({"bits": 4, "dynamic": {"(a+a?)+(?=b)": {}}})json");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(gptq_module_config(*config, std::string(100, 'a') + "bc"), IsOk());
  EXPECT_THAT(gptq_module_config(*config, std::string(100, 'a') + "c"),
              FailsWith(ErrorCode::kResourceLimit, "too long"));
}

GptqConfig example() {
  GptqConfig config;
  config.bits = 2;
  config.group_size = -1;
  config.desc_act = true;
  config.sym = false;
  config.lm_head = true;
  config.format = GptqFormat::kV2;
  config.damp_percent = 0.05;
  config.true_sequential = false;
  config.static_groups = true;
  config.dynamic = {{"b", true, {}, {}, {}, {}}, {"a", false, 8, 64, true, false}};
  config.meta_json = R"({"z":1,"a":"x"})";
  return config;
}

void expect_same(const GptqConfig& a, const GptqConfig& b) {
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.group_size, b.group_size);
  EXPECT_EQ(a.desc_act, b.desc_act);
  EXPECT_EQ(a.sym, b.sym);
  EXPECT_EQ(a.lm_head, b.lm_head);
  EXPECT_EQ(a.format, b.format);
  EXPECT_EQ(a.damp_percent, b.damp_percent);
  EXPECT_EQ(a.true_sequential, b.true_sequential);
  EXPECT_EQ(a.static_groups, b.static_groups);
  EXPECT_EQ(a.dynamic, b.dynamic);
  EXPECT_EQ(a.meta_json, b.meta_json);
}

TEST(GptqConfig, ReadsBackWhatItWrites) {
  const auto again = parse(gptq_config_json(example()));
  ASSERT_THAT(again, IsOk());
  expect_same(*again, example());
}

TEST(GptqConfig, WritesEveryFieldThatLoadersLookFor) {
  GptqConfig plain;
  const auto object = nlohmann::json::parse(gptq_config_json(plain));
  EXPECT_EQ(object, nlohmann::json::parse(R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true,
    "lm_head": false, "quant_method": "gptq", "checkpoint_format": "gptq", "pack_dtype": "int32",
    "true_sequential": true, "static_groups": false, "meta": {}})"));
}

TEST(GptqConfig, ReplacesItselfInTheModelsConfigurationAndKeepsTheRest) {
  const std::string original = R"({"z": 1, "quantization_config": {"quant_method": "awq"}, "a": [0.5, "x"]})";
  const auto text = with_quantization_config(as_bytes(original), example());
  ASSERT_THAT(text, IsOk());
  const auto config = parse(*text);
  ASSERT_THAT(config, IsOk());
  expect_same(*config, example());
  auto object = nlohmann::ordered_json::parse(*text);
  object.erase("quantization_config");
  EXPECT_EQ(object.dump(), R"({"z":1,"a":[0.5,"x"]})");
  EXPECT_THAT(with_quantization_config(as_bytes("[]"), example()),
              FailsWith(ErrorCode::kCorrupt, "not a JSON object"));
}

}  // namespace
}  // namespace assay
