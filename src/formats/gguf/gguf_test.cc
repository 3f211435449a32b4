#include "formats/gguf/gguf.h"

#include <cstring>
#include <limits>

#include "support/testing.h"

namespace assay::gguf {
namespace {

// Builds the bytes of a file field by field, right or wrong.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& u32(std::uint32_t value) { return number(value); }
  Bytes& u64(std::uint64_t value) { return number(value); }
  Bytes& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  Bytes& string(std::string_view text) { return u64(text.size()).raw(text); }
  Bytes& header(std::uint64_t tensors, std::uint64_t pairs) {
    return raw("GGUF").u32(3).u64(tensors).u64(pairs);
  }
  // dims innermost first, as in the file
  Bytes& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                std::uint64_t offset) {
    string(name).u32(static_cast<std::uint32_t>(dims.size()));
    for (const auto dim : dims) u64(dim);
    return u32(type).u64(offset);
  }
  Bytes& pad(std::size_t alignment = 32) {
    while (text_.size() % alignment != 0) text_ += '\0';
    return *this;
  }
  Result<File> parse() const { return gguf::parse(as_bytes(text_)); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4_0 = 2;
constexpr std::uint32_t kTypeI8 = 24;

TEST(Gguf, ReadsEveryTypeOfMetadataOfTheReferenceImplementation) {
  const auto file = parse(as_bytes(read_bytes(golden("formats/plain.gguf"))));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->string("general.architecture").value(), "test");
  EXPECT_EQ(file->unsigned_integer("v.uint8").value(), 200u);
  EXPECT_EQ(file->integer("v.int8").value(), -100);
  EXPECT_EQ(file->unsigned_integer("v.uint16").value(), 60000u);
  EXPECT_EQ(file->integer("v.int16").value(), -30000);
  EXPECT_EQ(file->integer("v.uint32").value(), 4000000000);
  EXPECT_EQ(file->integer("v.int32").value(), -2000000000);
  EXPECT_EQ(file->real("v.float32").value(), 0.5);
  EXPECT_EQ(file->boolean("v.bool").value(), true);
  EXPECT_EQ(file->string("v.string").value(), "caf\xc3\xa9");
  EXPECT_EQ(file->strings("v.strings").value(), (std::vector<std::string>{"a", "", "\xc3\xa9"}));
  EXPECT_EQ(file->integers("v.integers").value(), (std::vector<std::int64_t>{1, -2, 3}));
  EXPECT_EQ(file->reals("v.floats").value(), (std::vector<double>{0.5, -1.25}));
  EXPECT_EQ(file->integers("v.bools").value(), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(file->unsigned_integer("v.uint64").value(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(file->integer("v.int64").value(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(file->real("v.float64").value(), 0.1);
}

TEST(Gguf, ReadsTensorsInRowMajorOrder) {
  for (const char* name : {"formats/plain.gguf", "formats/aligned64.gguf"}) {
    const std::string bytes = read_bytes(golden(name));
    const auto file = parse(as_bytes(bytes));
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ(file->tensors().size(), 4u);
    const auto weight = file->tensor("token_embd.weight");
    ASSERT_THAT(weight, IsOk());
    EXPECT_EQ(weight->dtype, DType::kF32);
    EXPECT_EQ(weight->shape, (std::vector<std::int64_t>{2, 3}));
    const float expected[] = {0, 1, 2, 3, 4, 5};
    EXPECT_EQ(std::memcmp(weight->bytes.data(), expected, sizeof expected), 0);
    EXPECT_EQ(file->tensor("blk.0.f16.weight")->shape, (std::vector<std::int64_t>{3, 2, 1}));
    EXPECT_EQ(file->tensor("blk.0.bf16.weight")->dtype, DType::kBF16);
    EXPECT_EQ(file->tensor("ids")->dtype, DType::kI32);
    EXPECT_EQ(static_cast<std::size_t>(file->tensor("ids")->bytes.data() - as_bytes(bytes).data()) %
                  file->alignment(),
              0u);
  }
}

TEST(Gguf, ListsTensorsOfUnsupportedTypesButRefusesAccess) {
  const std::string bytes = read_bytes(golden("formats/quantized.gguf"));
  const auto file = parse(as_bytes(bytes));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->tensor("q4_1")->dtype, DType::kQ4_1);
  EXPECT_EQ(file->tensor("q4_1")->bytes.size(), 2u * 8u * 20u);
  const TensorInfo& ternary = file->tensors().back();
  EXPECT_EQ(ternary.name, "tq1_0");
  EXPECT_EQ(ternary.bytes.size(), 2u * 54u);
  EXPECT_EQ(ternary.dtype, std::nullopt);
  EXPECT_THAT(file->tensor("tq1_0"), FailsWith(ErrorCode::kUnsupported, "tensor 'tq1_0': type TQ1_0"));
  EXPECT_THAT(file->tensor("nope"), FailsWith(ErrorCode::kNotFound, "'nope'"));
  EXPECT_FALSE(file->has_tensor("nope"));
}

TEST(Gguf, ListsTensorsOfTypesThatAreNotKnown) {
  const std::string bytes = Bytes().header(1, 0).tensor("t", {7}, 57, 0).pad().text();
  const auto file = parse(as_bytes(bytes));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->tensors()[0].type_name, "type 57");
  EXPECT_TRUE(file->tensors()[0].bytes.empty());
  EXPECT_THAT(file->tensor("t"), FailsWith(ErrorCode::kUnsupported, "type 57"));
}

TEST(Gguf, ReadsConvertedModelsWhole) {
  if (!std::filesystem::exists(golden("gguf"))) GTEST_SKIP() << "tests/goldens/gguf is absent";
  int num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden("gguf"))) {
    if (entry.path().extension() != ".gguf") continue;
    ++num_files;
    const std::string bytes = read_bytes(entry.path());
    const auto file = parse(as_bytes(bytes));
    ASSERT_THAT(file, IsOk()) << entry.path();
    EXPECT_THAT(file->string("general.architecture"), IsOk()) << entry.path();
    for (const TensorInfo& info : file->tensors()) EXPECT_THAT(file->tensor(info.name), IsOk()) << entry.path();
  }
  EXPECT_GT(num_files, 0);
}

TEST(Gguf, NamesKeyAndTypesWhenMetadataIsNotAsAsked) {
  const auto file = parse(as_bytes(read_bytes(golden("formats/plain.gguf"))));
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->unsigned_integer("gone"), FailsWith(ErrorCode::kNotFound, "metadata 'gone' is missing"));
  EXPECT_THAT(file->unsigned_integer("v.int8"), FailsWith(ErrorCode::kCorrupt, "'v.int8' is negative"));
  EXPECT_THAT(file->integer("v.uint64"), FailsWith(ErrorCode::kCorrupt, "63 bits"));
  EXPECT_THAT(file->unsigned_integer("v.bool"),
              FailsWith(ErrorCode::kCorrupt, "is bool, expected an integer"));
  EXPECT_THAT(file->integer("v.float32"), FailsWith(ErrorCode::kCorrupt, "is float32"));
  EXPECT_THAT(file->real("v.string"), FailsWith(ErrorCode::kCorrupt, "is string, expected a number"));
  EXPECT_THAT(file->boolean("v.uint8"), FailsWith(ErrorCode::kCorrupt, "is uint8, expected bool"));
  EXPECT_THAT(file->string("v.strings"),
              FailsWith(ErrorCode::kCorrupt, "is array of string, expected string"));
  EXPECT_THAT(file->strings("v.integers"), FailsWith(ErrorCode::kCorrupt, "is array of int32"));
  EXPECT_THAT(file->integers("v.floats"), FailsWith(ErrorCode::kCorrupt, "expected an array of integers"));
  EXPECT_THAT(file->reals("v.int8"), FailsWith(ErrorCode::kCorrupt, "expected an array of float"));
}

TEST(Gguf, RefusesEveryTruncationOfAFile) {
  const std::string bytes = read_bytes(golden("formats/plain.gguf"));
  // Behind the last tensor there is only padding, which writers may leave out.
  const std::size_t used = bytes.size() - 16;
  for (std::size_t length = 0; length < used; ++length) {
    EXPECT_FALSE(parse(as_bytes(bytes).first(length)).has_value()) << length;
  }
  EXPECT_THAT(parse(as_bytes(bytes).first(used)), IsOk());
}

TEST(Gguf, NamesVersionsThatItDoesNotRead) {
  EXPECT_THAT(Bytes().raw("GGUF").u32(1).u32(0).u32(0).parse(),
              FailsWith(ErrorCode::kUnsupported, "version 1"));
  EXPECT_THAT(Bytes().raw("GGUF").u32(4).u64(0).u64(0).parse(),
              FailsWith(ErrorCode::kUnsupported, "version 4"));
  EXPECT_THAT(Bytes().raw("GGUF").u32(0x03000000).u64(0).u64(0).parse(),
              FailsWith(ErrorCode::kUnsupported, "big-endian"));
  EXPECT_THAT(Bytes().raw("ggjt").u32(3).parse(), FailsWith(ErrorCode::kCorrupt, "magic is 'ggjt'"));
  EXPECT_THAT(Bytes().raw("GGUF").u32(2).u64(0).u64(0).parse(), IsOk());
}

TEST(Gguf, DoesNotAllocateForCountsThatTheFileIsTooShortFor) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 60;
  EXPECT_THAT(Bytes().header(kHuge, 0).parse(), FailsWith(ErrorCode::kCorrupt, "tensor count"));
  EXPECT_THAT(Bytes().header(0, kHuge).parse(), FailsWith(ErrorCode::kCorrupt, "metadata count"));
  const auto pair = [](std::uint32_t type) { return Bytes().header(0, 1).string("key").u32(type); };
  EXPECT_THAT(pair(8).u64(kHuge).parse(),
              FailsWith(ErrorCode::kCorrupt, "metadata 'key': string value: needs"));
  for (std::uint32_t element : {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12}) {
    EXPECT_THAT(pair(9).u32(element).u64(kHuge).parse(), FailsWith(ErrorCode::kCorrupt, "does not fit"))
        << element;
  }
  EXPECT_THAT(Bytes().header(1, 0).u64(kHuge).raw("name and more bytes ").parse(),
              FailsWith(ErrorCode::kCorrupt, "tensor name"));
}

TEST(Gguf, RefusesValuesOfTypesThatDoNotExist) {
  const auto pair = [](std::uint32_t type) { return Bytes().header(0, 1).string("key").u32(type); };
  EXPECT_THAT(pair(13).u64(0).parse(), FailsWith(ErrorCode::kCorrupt, "value type 13"));
  EXPECT_THAT(pair(9).u32(13).u64(0).parse(), FailsWith(ErrorCode::kCorrupt, "array element type 13"));
  EXPECT_THAT(pair(9).u32(9).u64(0).parse(), FailsWith(ErrorCode::kUnsupported, "arrays of arrays"));
  EXPECT_THAT(pair(7).number(std::uint8_t{2}).parse(), FailsWith(ErrorCode::kCorrupt, "bool"));
}

TEST(Gguf, RefusesKeysAndTensorsThatOccurTwice) {
  EXPECT_THAT(Bytes().header(0, 2).string("k").u32(4).u32(1).string("k").u32(4).u32(1).parse(),
              FailsWith(ErrorCode::kCorrupt, "metadata 'k' occurs twice"));
  EXPECT_THAT(Bytes().header(2, 0).tensor("t", {0}, kF32, 0).tensor("t", {0}, kF32, 0).parse(),
              FailsWith(ErrorCode::kCorrupt, "tensor 't' occurs twice"));
}

TEST(Gguf, RefusesAlignmentsThatAreNotAPowerOfTwo) {
  for (const std::uint32_t alignment : {0u, 3u, 48u}) {
    EXPECT_THAT(Bytes().header(0, 1).string("general.alignment").u32(4).u32(alignment).parse(),
                FailsWith(ErrorCode::kCorrupt, "power of two"));
  }
  EXPECT_THAT(Bytes().header(0, 1).string("general.alignment").u32(10).u64(32).parse(),
              FailsWith(ErrorCode::kCorrupt, "is uint64, expected uint32"));
  EXPECT_THAT(Bytes().header(0, 1).string("general.alignment").u32(4).u32(1u << 31).parse(), IsOk());
}

TEST(Gguf, RefusesShapesThatCannotBe) {
  const auto shape = [](std::vector<std::uint64_t> dims, std::uint32_t type = kF32) {
    return Bytes().header(1, 0).tensor("t", std::move(dims), type, 0).pad().raw(std::string(64, 'x')).parse();
  };
  EXPECT_THAT(shape({2, 2, 2, 2}), IsOk());
  EXPECT_THAT(shape({2, 2, 2, 1, 1}), FailsWith(ErrorCode::kCorrupt, "tensor 't': has 5 dimensions"));
  EXPECT_THAT(shape({std::uint64_t{1} << 63}), FailsWith(ErrorCode::kCorrupt, "63 bits"));
  EXPECT_THAT(shape({1u << 31, 1u << 31, 1u << 31}), FailsWith(ErrorCode::kCorrupt, "more values than"));
  EXPECT_THAT(shape({1u << 31, 1u << 31}), FailsWith(ErrorCode::kCorrupt, "more bytes than"));
  EXPECT_THAT(shape({1000}), FailsWith(ErrorCode::kCorrupt, "outside of the 64 bytes"));
  EXPECT_THAT(shape({31, 32}, kQ4_0),
              FailsWith(ErrorCode::kCorrupt, "rows of 31 values are not whole blocks of 32"));
  EXPECT_THAT(shape({32, 1}, kQ4_0), IsOk());
  EXPECT_THAT(Bytes().header(1, 0).string("t").u32(0xffffffffu).u64(1).pad().parse(),
              FailsWith(ErrorCode::kCorrupt, "dimensions"));
}

TEST(Gguf, RefusesOffsetsThatAreUnalignedOutsideOrOverlap) {
  const auto at = [](std::uint64_t first, std::uint64_t second) {
    return Bytes()
        .header(2, 0)
        .tensor("a", {33}, kTypeI8, first)
        .tensor("b", {32}, kTypeI8, second)
        .pad()
        .raw(std::string(96, 'x'))
        .parse();
  };
  EXPECT_THAT(at(0, 64), IsOk());
  EXPECT_THAT(at(32, 0), IsOk());
  EXPECT_THAT(at(0, 65),
              FailsWith(ErrorCode::kCorrupt, "tensor 'b': offset 65 is not a multiple of the alignment 32"));
  EXPECT_THAT(at(0, 96), FailsWith(ErrorCode::kCorrupt, "outside of the 96 bytes"));
  EXPECT_THAT(at(0, 0xffffffffffffffe0u), FailsWith(ErrorCode::kCorrupt, "outside"));
  EXPECT_THAT(at(0, 32), FailsWith(ErrorCode::kCorrupt, "tensor 'b': overlaps tensor 'a'"));
  EXPECT_THAT(at(0, 0), FailsWith(ErrorCode::kCorrupt, "overlaps"));
}

}  // namespace
}  // namespace assay::gguf
