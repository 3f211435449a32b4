#include "formats/safetensors/safetensors.h"

#include <cstring>
#include <vector>

#include "support/testing.h"

namespace assay {
namespace {

std::string with_header(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

Result<SafetensorsFile> parse(const std::string& header, const std::string& data) {
  // Freed right after the parse: only what is owned may be looked at.
  return parse_safetensors(as_bytes(with_header(header, data)));
}

// The value i of a golden tensor is i.
template <typename T>
std::vector<T> values(const TensorView& tensor) {
  std::vector<T> held(tensor.bytes.size() / sizeof(T));
  if (!held.empty()) std::memcpy(held.data(), tensor.bytes.data(), tensor.bytes.size());
  return held;
}

TEST(Safetensors, ReadsAFileOfTheReferenceImplementation) {
  const std::string bytes = read_bytes(golden("formats/all_dtypes.safetensors"));
  const auto file = parse_safetensors(as_bytes(bytes));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file->tensors.size(), 14u);
  const auto shape_and_dtype = [&](const char* name) {
    const TensorView* tensor = file->find(name);
    return tensor == nullptr ? std::string("missing")
                             : std::string(info(tensor->dtype).name) + shape_text(tensor->shape);
  };
  EXPECT_EQ(shape_and_dtype("weight.f32"), "F32[2, 3]");
  EXPECT_EQ(shape_and_dtype("weight.bf16"), "BF16[3, 1]");
  EXPECT_EQ(shape_and_dtype("weight.f16"), "F16[5]");
  EXPECT_EQ(shape_and_dtype("wide.f64"), "F64[2, 2]");
  EXPECT_EQ(shape_and_dtype("ids.i64"), "I64[2]");
  EXPECT_EQ(shape_and_dtype("ids.u8"), "U8[3]");
  EXPECT_EQ(shape_and_dtype("mask"), "BOOL[3]");
  EXPECT_EQ(shape_and_dtype("empty"), "F32[0, 4]");
  EXPECT_EQ(shape_and_dtype("scalar"), "F32[]");
  EXPECT_EQ(shape_and_dtype("odd \"name\"\n\xc3\xa9"), "F32[1]");
  EXPECT_EQ(file->find("weight"), nullptr);
  EXPECT_EQ(values<float>(*file->find("weight.f32")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values<std::int16_t>(*file->find("ids.i16")), (std::vector<std::int16_t>{0, 1, 2}));
  EXPECT_EQ(values<double>(*file->find("wide.f64")), (std::vector<double>{0, 1, 2, 3}));
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  const auto file = parse_safetensors(as_bytes(read_bytes(golden("formats/no_tensors.safetensors"))));
  ASSERT_THAT(file, IsOk());
  EXPECT_TRUE(file->tensors.empty());
}

TEST(Safetensors, NamesTensorAndDtypeThatItDoesNotSupport) {
  EXPECT_THAT(parse(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", "x"),
              FailsWith(ErrorCode::kUnsupported, "tensor 'a': dtype 'F4'"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"Q4_0","shape":[32],"data_offsets":[0,18]}})", std::string(18, 'x')),
              FailsWith(ErrorCode::kUnsupported, "'Q4_0'"));
}

TEST(Safetensors, ReadsTypesThatNothingComputesWith) {
  const std::string bytes = read_bytes(golden("formats/float8.safetensors"));
  const auto file = parse_safetensors(as_bytes(bytes));
  ASSERT_THAT(file, IsOk());
  ASSERT_NE(file->find("a"), nullptr);
  EXPECT_EQ(file->find("a")->dtype, DType::kF8_E4M3);
  EXPECT_FALSE(is_weight_dtype(DType::kF8_E4M3));
}

TEST(Safetensors, GivesTensorsInOrderOfTheirNames) {
  const auto file = parse(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                          R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                          "ba");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->tensors[0].name, "a");
  EXPECT_EQ(file->tensors[1].name, "b");
}

TEST(Safetensors, RefusesEveryTruncationOfAFile) {
  const std::string bytes = read_bytes(golden("formats/all_dtypes.safetensors"));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(parse_safetensors(as_bytes(bytes).first(length)).has_value()) << length;
  }
}

TEST(Safetensors, RefusesBytesAfterTheLastTensor) {
  EXPECT_THAT(parse(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "ab"),
              FailsWith(ErrorCode::kCorrupt, "ends at byte 1"));
  EXPECT_THAT(parse("{}", "x"), FailsWith(ErrorCode::kCorrupt, "ends at byte 0"));
}

TEST(Safetensors, RefusesLyingHeaderLengths) {
  std::string bytes = with_header("{}", "");
  bytes[0] = 3;
  EXPECT_THAT(parse_safetensors(as_bytes(bytes)), FailsWith(ErrorCode::kCorrupt, "header: needs 3 bytes"));
  bytes[7] = '\x7f';
  EXPECT_THAT(parse_safetensors(as_bytes(bytes)), FailsWith(ErrorCode::kCorrupt, "more than 100 MB"));
}

TEST(Safetensors, RefusesHeadersThatAreNotAnObjectOfTensors) {
  EXPECT_THAT(parse("", ""), FailsWith(ErrorCode::kCorrupt, "'{'"));
  EXPECT_THAT(parse(" {}", ""), FailsWith(ErrorCode::kCorrupt, "'{'"));
  EXPECT_THAT(parse("[]", ""), FailsWith(ErrorCode::kCorrupt, "'{'"));
  EXPECT_THAT(parse("{}x", ""), FailsWith(ErrorCode::kCorrupt, "invalid JSON"));
  EXPECT_THAT(parse("{\"a\":1}", ""), FailsWith(ErrorCode::kCorrupt, "not an object"));
  EXPECT_THAT(parse("{\"__metadata__\":[]}", ""), FailsWith(ErrorCode::kCorrupt, "__metadata__"));
  EXPECT_THAT(parse("{\"__metadata__\":{\"a\":1}}", ""), FailsWith(ErrorCode::kCorrupt, "not a string"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"U8","shape":[[[[]]]],"data_offsets":[0,1]}})", "x"),
              FailsWith(ErrorCode::kCorrupt, "deeper"));
}

TEST(Safetensors, RefusesATensorThatOccursTwice) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(parse("{" + entry + "," + entry + "}", ""), FailsWith(ErrorCode::kCorrupt, "'a' occurs twice"));
}

TEST(Safetensors, RefusesEntriesWithMissingOrMistypedFields) {
  const auto refused = [](const std::string& entry, const char* why) {
    EXPECT_THAT(parse("{\"a\":" + entry + "}", "x"), FailsWith(ErrorCode::kCorrupt, why)) << entry;
  };
  refused(R"({"shape":[1],"data_offsets":[0,1]})", "tensor 'a': has no dtype");
  refused(R"({"dtype":"U8","data_offsets":[0,1]})", "has no shape");
  refused(R"({"dtype":"U8","shape":[1]})", "has no data_offsets");
  refused(R"({"dtype":8,"shape":[1],"data_offsets":[0,1]})", "dtype is not a string");
  refused(R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})", "shape is not an array");
  refused(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})", "not a size");
  refused(R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})", "not a size");
  refused(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]})", "not a size");
  refused(R"({"dtype":"U8","shape":[1],"data_offsets":[0]})", "data_offsets");
  refused(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,1]})", "data_offsets");
  refused(R"({"dtype":"U8","shape":[1],"data_offsets":[-1,0]})", "data_offsets");
}

TEST(Safetensors, RefusesSizesThatContradictTheShape) {
  EXPECT_THAT(parse(R"({"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,4]}})", "xxxx"),
              FailsWith(ErrorCode::kCorrupt, "has 4 bytes, but shape [2, 2] of F16 needs 8"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", ""),
              FailsWith(ErrorCode::kCorrupt, "more values than"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})", ""),
              FailsWith(ErrorCode::kCorrupt, "more bytes than"));
}

TEST(Safetensors, RefusesOffsetsOutsideOfTheDataOverlapsAndHoles) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}";
  };
  EXPECT_THAT(parse(two("[0,2]", "[2,4]"), "xxxx"), IsOk());
  EXPECT_THAT(parse(two("[2,4]", "[0,2]"), "xxxx"), IsOk());
  EXPECT_THAT(parse(two("[0,2]", "[2,4]"), "xxx"), FailsWith(ErrorCode::kCorrupt, "outside of the 3 bytes"));
  EXPECT_THAT(parse(two("[0,2]", "[18446744073709551614,0]"), "xxxx"),
              FailsWith(ErrorCode::kCorrupt, "outside"));
  EXPECT_THAT(parse(two("[0,2]", "[4,2]"), "xxxx"), FailsWith(ErrorCode::kCorrupt, "outside"));
  EXPECT_THAT(parse(two("[0,2]", "[1,3]"), "xxx"), FailsWith(ErrorCode::kCorrupt, "overlaps"));
  EXPECT_THAT(parse(two("[0,2]", "[0,2]"), "xx"), FailsWith(ErrorCode::kCorrupt, "overlaps"));
  EXPECT_THAT(parse(two("[0,2]", "[3,5]"), "xxxxx"), FailsWith(ErrorCode::kCorrupt, "hole"));
}

TEST(Safetensors, KeepsMessagesToOneLineWhateverTheNames) {
  const auto file = parse(R"({"a\nb\u001b":1})", "");
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
  EXPECT_THAT(file, FailsWith(ErrorCode::kCorrupt, R"('a\x0ab\x1b')"));
}

TEST(SafetensorsIndex, MapsTensorsToShards) {
  const std::map<std::string, std::string> shard_of = {{"a", "model-1.safetensors"},
                                                       {"b", "model-2.safetensors"}};
  const auto parsed = parse_safetensors_index(as_bytes(safetensors_index_json(shard_of, 123)));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, shard_of);
}

TEST(SafetensorsIndex, RefusesShardsOutsideOfTheFolder) {
  for (const std::string shard : {"../x", "/etc/passwd", "a/b", "a\\\\b", "..", ".", "", "a\\u0000b"}) {
    const std::string text = R"({"weight_map":{"t":")" + shard + "\"}}";
    EXPECT_THAT(parse_safetensors_index(as_bytes(text)), FailsWith(ErrorCode::kCorrupt, "weight_map of 't'"))
        << shard;
  }
}

TEST(SafetensorsIndex, RefusesWhatIsNotAnIndex) {
  for (const std::string text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})"}) {
    EXPECT_THAT(parse_safetensors_index(as_bytes(text)), FailsWith(ErrorCode::kCorrupt, "")) << text;
  }
  EXPECT_THAT(parse_safetensors_index(as_bytes(R"({"weight_map":{"a":"x","a":"y"}})")),
              FailsWith(ErrorCode::kCorrupt, "twice"));
}

}  // namespace
}  // namespace assay
