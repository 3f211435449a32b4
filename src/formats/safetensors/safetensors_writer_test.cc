#include "formats/safetensors/safetensors_writer.h"

#include "formats/safetensors/safetensors.h"
#include "support/testing.h"

namespace assay {
namespace {

// Writes everything that was parsed again, each tensor in two pieces.
Status write_again(const SafetensorsFile& file, const std::filesystem::path& path) {
  std::vector<TensorDeclaration> declarations;
  for (const TensorView& tensor : file.tensors)
    declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
  sort_as_reference(declarations);
  ASSAY_TRY(SafetensorsWriter writer, SafetensorsWriter::create(path, declarations, file.metadata));
  for (const TensorDeclaration& declaration : declarations) {
    const ByteView bytes = file.find(declaration.name)->bytes;
    ASSAY_RETURN_IF_ERROR(writer.append(declaration.name, bytes.first(bytes.size() / 2)));
    ASSAY_RETURN_IF_ERROR(writer.append(declaration.name, bytes.subspan(bytes.size() / 2)));
  }
  return writer.commit();
}

TEST(SafetensorsWriter, WritesTheSameBytesAsTheReferenceImplementation) {
  for (const char* name : {"formats/all_dtypes.safetensors", "formats/no_tensors.safetensors"}) {
    const std::string expected = read_bytes(golden(name));
    const auto file = parse_safetensors(as_bytes(expected));
    ASSERT_THAT(file, IsOk());
    TempDir dir;
    ASSERT_THAT(write_again(*file, dir / "again"), IsOk());
    EXPECT_EQ(read_bytes(dir / "again"), expected) << name;
  }
}

TEST(SafetensorsWriter, KeepsTheDeclaredOrderWhereItIsAligned) {
  TempDir dir;
  auto writer = SafetensorsWriter::create(dir / "x", {{"h", DType::kF16, {2}}, {"f", DType::kF32, {1}}}, {});
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->append("h", as_bytes("abcd")), IsOk());
  ASSERT_THAT(writer->append("f", as_bytes("efgh")), IsOk());
  ASSERT_THAT(writer->commit(), IsOk());
  const std::string bytes = read_bytes(dir / "x");
  EXPECT_EQ(bytes.substr(bytes.size() - 8), "abcdefgh");
  const auto file = parse_safetensors(as_bytes(bytes));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(as_text(file->find("f")->bytes), "efgh");
}

TEST(SafetensorsWriter, RefusesWhatReadersCouldNotUse) {
  TempDir dir;
  const auto refused = [&](std::vector<TensorDeclaration> tensors, const char* why) {
    EXPECT_THAT(SafetensorsWriter::create(dir / "x", std::move(tensors), {}),
                FailsWith(ErrorCode::kInvalidArgument, why));
  };
  refused({{"h", DType::kF16, {1}}, {"f", DType::kF32, {1}}}, "tensor 'f': would start at byte 2, unaligned");
  refused({{"a", DType::kU8, {1}}, {"a", DType::kU8, {1}}}, "declared twice");
  refused({{"", DType::kU8, {1}}}, "not a possible name");
  refused({{"__metadata__", DType::kU8, {1}}}, "not a possible name");
  refused({{"q", DType::kQ4_0, {32}}}, "no dtype Q4_0");
  refused({{"n", DType::kU8, {-1}}}, "negative");
  refused({{"\xff", DType::kU8, {1}}}, "UTF-8");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SafetensorsWriter, RefusesDataThatWasNotAnnounced) {
  TempDir dir;
  auto writer = SafetensorsWriter::create(dir / "x", {{"a", DType::kU8, {2}}, {"b", DType::kU8, {1}}}, {});
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT(writer->append("b", as_bytes("x")), FailsWith(ErrorCode::kInvalidArgument, "'a' is due"));
  EXPECT_THAT(writer->append("a", as_bytes("xyz")),
              FailsWith(ErrorCode::kInvalidArgument, "more than its 2 bytes"));
  EXPECT_THAT(writer->append("a", as_bytes("x")), IsOk());
  EXPECT_THAT(writer->commit(), FailsWith(ErrorCode::kInvalidArgument, "tensor 'a': only 1 of its 2 bytes"));
  EXPECT_THAT(writer->append("a", as_bytes("y")), IsOk());
  EXPECT_THAT(writer->append("b", as_bytes("z")), IsOk());
  EXPECT_THAT(writer->append("b", as_bytes("z")), FailsWith(ErrorCode::kInvalidArgument, "written already"));
  EXPECT_THAT(writer->commit(), IsOk());
}

TEST(SafetensorsWriter, LeavesNothingBehindWhenItIsNotCommitted) {
  TempDir dir;
  { ASSERT_THAT(SafetensorsWriter::create(dir / "x", {{"a", DType::kU8, {2}}}, {}), IsOk()); }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace assay
