#include "formats/gguf/gguf_writer.h"

#include "support/testing.h"

namespace assay::gguf {
namespace {

using Metadata = std::vector<std::pair<std::string, Value>>;

Status write_again(const File& file, const Metadata& metadata, const std::filesystem::path& path) {
  std::vector<TensorDeclaration> declarations;
  for (const TensorInfo& tensor : file.tensors())
    declarations.push_back({tensor.name, *tensor.dtype, tensor.shape});
  ASSAY_TRY(Writer writer, Writer::create(path, metadata, declarations));
  for (const TensorInfo& tensor : file.tensors()) {
    ASSAY_RETURN_IF_ERROR(writer.append(tensor.name, tensor.bytes.first(1)));
    ASSAY_RETURN_IF_ERROR(writer.append(tensor.name, tensor.bytes.subspan(1)));
  }
  return writer.commit();
}

// The reader does not keep the order of metadata, so it is said here.
Metadata in_order(const File& file, const std::vector<std::string>& keys) {
  Metadata metadata;
  for (const std::string& key : keys) metadata.emplace_back(key, *file.find(key));
  return metadata;
}

TEST(GgufWriter, WritesTheSameBytesAsTheReferenceImplementation) {
  const std::vector<std::string> keys = {
      "v.uint8",  "v.int8",    "v.uint16",   "v.int16",  "v.uint32", "v.int32",  "v.float32", "v.bool",
      "v.string", "v.strings", "v.integers", "v.floats", "v.bools",  "v.uint64", "v.int64",   "v.float64"};
  for (const bool aligned : {false, true}) {
    const std::string expected =
        read_bytes(golden(aligned ? "formats/aligned64.gguf" : "formats/plain.gguf"));
    const auto file = parse(as_bytes(expected));
    ASSERT_THAT(file, IsOk());
    std::vector<std::string> order = {"general.architecture"};
    if (aligned) order.push_back("general.alignment");
    order.insert(order.end(), keys.begin(), keys.end());
    TempDir dir;
    ASSERT_THAT(write_again(*file, in_order(*file, order), dir / "again"), IsOk());
    EXPECT_EQ(read_bytes(dir / "again"), expected) << aligned;
  }
}

TEST(GgufWriter, RefusesWhatReadersCouldNotUse) {
  TempDir dir;
  const auto refused = [&](const Metadata& metadata, const std::vector<TensorDeclaration>& tensors,
                           const char* why) {
    EXPECT_THAT(Writer::create(dir / "x", metadata, tensors), FailsWith(ErrorCode::kInvalidArgument, why));
  };
  refused({{"k", std::uint32_t{1}}, {"k", std::uint32_t{1}}}, {}, "metadata 'k'");
  refused({{"k", Array(std::monostate())}}, {}, "array of nothing");
  refused({{"general.alignment", std::uint32_t{3}}}, {}, "power of two");
  refused({{"general.alignment", std::uint64_t{32}}}, {}, "uint32");
  refused({}, {{"t", DType::kF32, {}}}, "has 0 dimensions");
  refused({}, {{"t", DType::kF32, {1, 1, 1, 1, 1}}}, "has 5 dimensions");
  refused({}, {{"t", DType::kBool, {1}}}, "no type BOOL");
  refused({}, {{"t", DType::kQ8_0, {31}}}, "whole blocks");
  refused({}, {{std::string(64, 'n'), DType::kF32, {1}}}, "1 to 63 bytes");
  refused({}, {{"t", DType::kF32, {1}}, {"t", DType::kF32, {1}}}, "declared twice");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(GgufWriter, AppearsOnlyWhenAllTensorsWereWritten) {
  TempDir dir;
  {
    auto writer = Writer::create(dir / "x", {}, {{"t", DType::kF32, {2}}});
    ASSERT_THAT(writer, IsOk());
    EXPECT_THAT(writer->append("t", as_bytes("abcd")), IsOk());
    EXPECT_THAT(writer->commit(),
                FailsWith(ErrorCode::kInvalidArgument, "tensor 't': only 4 of its 8 bytes"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace assay::gguf
