#include "formats/tflite/model.h"

#include <numeric>

#include "base/rng.h"
#include "formats/tflite/model_testing.h"
#include "support/testing.h"

namespace assay::tflite {
namespace {

std::string written(const Model& model) {
  const auto bytes = write(model);
  EXPECT_THAT(bytes, IsOk());
  return std::string(as_text(*bytes));
}

std::vector<std::filesystem::path> real_models() {
  std::vector<std::filesystem::path> found;
  for (const char* name : {"models/yolox_nano", "models/ssd_mobilenet_v1"}) {
    const auto folder = shared_data(name);
    if (!folder) continue;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
      if (entry.path().extension() == ".tflite") found.push_back(entry.path());
    }
  }
  return found;
}

TEST(TfliteModel, WritesWhatItReadsBackAsTheSame) {
  ModelBuilder b = small_conv();
  Tensor& w = b.model().main().tensors[1];
  w.quantization.scale = {0.5f, 0.25f};
  w.quantization.zero_point = {0, 0};
  Operator& custom = b.add(Op::kCustom, {3, -1}, {b.tensor("z", {1})});
  custom.custom_code = "Mine";
  custom.rest.set_data("custom_options", Data::own_values(std::vector<std::uint8_t>{1, 2, 3}));
  const std::string bytes = written(b.model());
  const auto model = parse(as_bytes(bytes));
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->description, "test");
  const Subgraph& main = model->main();
  EXPECT_EQ(main.tensors[1].quantization.scale, (std::vector<float>{0.5f, 0.25f}));
  EXPECT_EQ(main.operators[0].op, Op::kConv2d);
  EXPECT_EQ(main.operators[0].options.integer("stride_w"), 1);
  EXPECT_EQ(main.operators[0].options.integer("dilation_w_factor"), 1) << "the schema's default";
  EXPECT_EQ(main.operators[1].custom_code, "Mine");
  EXPECT_EQ(main.operators[1].inputs, (std::vector<std::int32_t>{3, -1}));
  EXPECT_EQ(main.operators[1].rest.data("custom_options").bytes().size(), 3u);
  EXPECT_EQ(model->signatures[0].outputs[0].name, "y");
  EXPECT_EQ(written(*model), bytes);
}

TEST(TfliteModel, KeepsEverythingOfRealFiles) {
  const auto files = real_models();
  if (files.empty()) GTEST_SKIP() << "needs ../shared/data/models";
  for (const auto& path : files) {
    const std::string bytes = read_bytes(path);
    const auto model = parse(as_bytes(bytes));
    ASSERT_THAT(model, IsOk()) << path;
    const std::string first = written(*model);
    const auto again = parse(as_bytes(first));
    ASSERT_THAT(again, IsOk()) << path;
    EXPECT_EQ(written(*again), first) << path;
    EXPECT_EQ(again->main().tensors.size(), model->main().tensors.size());
    EXPECT_EQ(again->main().operators.size(), model->main().operators.size());
    EXPECT_LT(first.size(), bytes.size() + bytes.size() / 20) << path;
  }
}

TEST(TfliteModel, PutsDataAtMultiplesOfSixteenBytes) {
  const std::string bytes = written(small_conv().model());
  const auto model = parse(as_bytes(bytes));
  ASSERT_THAT(model, IsOk());
  for (const Buffer& buffer : model->buffers) {
    if (buffer.data.bytes().empty()) continue;
    EXPECT_EQ((reinterpret_cast<const char*>(buffer.data.bytes().data()) - bytes.data()) % 16, 0);
  }
}

TEST(TfliteModel, ReadsTheCodeOfFilesThatHaveOnlyTheOldOne) {
  Object code = Object::make("OperatorCode");
  code.set_integer("deprecated_builtin_code", 3);
  Object op = Object::make("Operator");
  Object subgraph = Object::make("SubGraph");
  subgraph.set_tables("operators", {op});
  Object root = Object::make("Model");
  root.set_integer("version", 3);
  root.set_tables("operator_codes", {code});
  root.set_tables("subgraphs", {subgraph});
  const auto pieces = write_flatbuffer(root, "TFL3");
  ASSERT_THAT(pieces, IsOk());
  const auto bytes = joined(*pieces);
  const auto model = parse(bytes);
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->main().operators[0].op, Op::kConv2d);
}

TEST(TfliteModel, ReadsBuffersOutsideOfTheFlatbuffer) {
  ModelBuilder b;
  b.output(b.tensor("w", {4}, TensorType::kInt8));
  b.model().buffers.emplace_back();
  b.model().main().tensors[0].buffer = 1;
  b.model().buffers[1].rest.set_integer("size", 4);
  b.model().buffers[1].rest.set_integer("offset", 1);
  const std::size_t offset = written(b.model()).size();
  b.model().buffers[1].rest.set_integer("offset", static_cast<std::int64_t>(offset));
  const std::string bytes = written(b.model()) + "abcd";
  const auto model = parse(as_bytes(bytes));
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(as_text(model->data(model->main().tensors[0])), "abcd");
  EXPECT_THAT(parse(as_bytes(bytes.substr(0, bytes.size() - 1))), FailsWith(ErrorCode::kCorrupt, "buffer 1"));
}

TEST(TfliteModel, KeepsFilesPackedBehindIt) {
  const std::string bytes = written(small_conv().model()) + "PK\x03\x04labels";
  const auto model = parse(as_bytes(bytes));
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(written(*model), bytes);
}

TEST(TfliteModel, RefusesGraphsThatContradictThemselves) {
  const auto changed = [](auto change) {
    ModelBuilder b = small_conv();
    change(b.model(), b.model().main());
    const std::string bytes = written(b.model());
    const auto model = parse(as_bytes(bytes));
    return model ? Status() : Status(model.error());
  };
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.operators[0].inputs[1] = 99; }),
              FailsWith(ErrorCode::kCorrupt, "99"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.operators[0].inputs[0] = 3; }),
              FailsWith(ErrorCode::kCorrupt, "cycle"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.outputs = {-1}; }),
              FailsWith(ErrorCode::kCorrupt, "outputs"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.tensors[1].shape[0] = 3; }),
              FailsWith(ErrorCode::kCorrupt, "'w'"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.tensors[1].buffer = 9; }),
              FailsWith(ErrorCode::kCorrupt, "buffer"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) {
                g.tensors[1].shape = {65536, 65536, 65536, 65536};
              }),
              FailsWith(ErrorCode::kCorrupt, "more than there can be"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) {
                g.tensors[1].quantization.scale = {1, 2, 3};
              }),
              FailsWith(ErrorCode::kCorrupt, "3 scales"));
  EXPECT_THAT(changed([](Model& m, Subgraph&) { m.signatures[0].inputs[0].tensor = 77; }),
              FailsWith(ErrorCode::kCorrupt, "signature"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) { g.tensors[3].buffer = 1, g.tensors[3].shape = {18}; }),
              FailsWith(ErrorCode::kCorrupt, "constant"));
  EXPECT_THAT(changed([](Model& m, Subgraph&) { m.version = 4; }),
              FailsWith(ErrorCode::kUnsupported, "version"));
  EXPECT_THAT(changed([](Model&, Subgraph& g) {
                Operator call;
                call.op = Op::kCallOnce;
                call.options = Object::make("CallOnceOptions");
                g.operators.push_back(call);
              }),
              FailsWith(ErrorCode::kCorrupt, "runs itself"));
}

TEST(TfliteModel, SurvivesEveryTruncation) {
  const std::string bytes = written(small_conv().model());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(parse(as_bytes(cut)).has_value() && size + 20 < bytes.size()) << size;
  }
}

TEST(TfliteModel, SurvivesAnyDamage) {
  constexpr std::uint64_t kSeed = 20;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Rng rng(kSeed);
  const std::string bytes = written(small_conv().model());
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    for (std::uint64_t i = rng.below(4); i < 4; ++i)
      damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    const auto model = parse(as_bytes(damaged));
    if (model) {
      EXPECT_THAT(write(*model), IsOk());
    }
  }
}

TEST(TfliteModel, RefusesVectorsThatUnfoldWithoutEnd) {
  // 2,000 subgraphs that are one and the same, which has 2,000 tensors that are one and the same.
  const auto repeated = [](std::uint32_t count, std::uint32_t to) {
    // A vector of `count` references to the offset `to` behind its end.
    std::vector<std::uint32_t> words{count};
    for (std::uint32_t i = 0; i < count; ++i) words.push_back(4 * (count - i) + to);
    return words;
  };
  // The root offset, "TFL3", the Model's vtable with slots 0 to 2 of which slot 2 (subgraphs) lies at 4; then
  // the table itself.
  std::vector<std::uint32_t> words{24, 0x334c4654u, 8u << 16 | 10u, 0, 4u, 0};
  words.push_back(16);
  words.push_back(4);
  auto subgraphs = repeated(2000, 12);
  words.insert(words.end(), subgraphs.begin(), subgraphs.end());
  words.insert(words.end(), {8u << 16 | 6u, 4u, 0});
  // SubGraph table: its vtable lies 12 bytes before it, slot 0 (tensors) at 4.
  words.push_back(12);
  words.push_back(4);
  auto tensors = repeated(2000, 4);
  words.insert(words.end(), tensors.begin(), tensors.end());
  words.push_back(4u << 16 | 4u);
  words.push_back(4);
  EXPECT_THAT(parse(std::as_bytes(std::span(words))), FailsWith(ErrorCode::kCorrupt, "over and over"));
}

TEST(TflitePartThatComputes, KeepsTheOperatorsThatLeadToTheTensorsAndNoOthers) {
  ModelBuilder b = small_conv();
  const int z = b.tensor("z", {1, 4, 4, 2});
  b.add(Op::kRelu, {3}, {z});
  b.model().main().outputs = {z};
  b.model().signatures[0].outputs = {{"z", static_cast<std::uint32_t>(z)}};
  const auto both = part_that_computes(b.model(), std::vector<int>{z, 3});
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->main().operators.size(), b.model().main().operators.size());
  ASSERT_EQ(both->main().outputs.size(), 2u);
  EXPECT_EQ(both->main().tensors[static_cast<std::size_t>(both->main().outputs[0])].name, "z");
  const auto first = part_that_computes(b.model(), std::vector<int>{3});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(validate(*first), IsOk());
  EXPECT_EQ(first->main().operators.size() + 1, b.model().main().operators.size());
  EXPECT_EQ(first->main().tensors.size() + 1, b.model().main().tensors.size());
  EXPECT_THAT(part_that_computes(b.model(), std::vector<int>{1}),
              FailsWith(ErrorCode::kInvalidArgument, "constant"));
  EXPECT_THAT(part_that_computes(b.model(), std::vector<int>{50}),
              FailsWith(ErrorCode::kInvalidArgument, "50"));
}

TEST(TfliteRemoveUnused, LeavesOutWhatNothingRefersTo) {
  ModelBuilder b;
  b.weights("unused", {2}, {1, 2});
  const int x = b.input("x", {2});
  const int w = b.weights("w", {2}, {3, 4});
  const int y = b.tensor("y", {2});
  b.add(Op::kAdd, {x, w}, {y}, "AddOptions");
  b.output(y);
  b.sign();
  b.model().buffers.push_back({Data::own_values(std::vector<std::uint8_t>{7})});
  b.model().rest.set_data("metadata_buffer", Data::own_values(std::vector<std::int32_t>{3}));
  remove_unused(b.model());
  ASSERT_THAT(validate(b.model()), IsOk());
  EXPECT_EQ(b.model().main().tensors.size(), 3u);
  EXPECT_EQ(b.model().buffers.size(), 3u);
  EXPECT_EQ(b.model().rest.data("metadata_buffer").values<std::int32_t>(), (std::vector<std::int32_t>{2}));
  EXPECT_EQ(b.model().main().operators[0].inputs, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(b.model().data(b.model().main().tensors[1]).size(), 8u);
}

}  // namespace
}  // namespace assay::tflite
