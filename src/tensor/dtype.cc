#include "tensor/dtype.h"

#include "base/check.h"

namespace assay {
namespace {

constexpr DTypeInfo kTypes[] = {
    {DType::kF64, "F64", 1, 8},       {DType::kF32, "F32", 1, 4},         {DType::kF16, "F16", 1, 2},
    {DType::kBF16, "BF16", 1, 2},     {DType::kI64, "I64", 1, 8},         {DType::kI32, "I32", 1, 4},
    {DType::kI16, "I16", 1, 2},       {DType::kI8, "I8", 1, 1},           {DType::kU64, "U64", 1, 8},
    {DType::kU32, "U32", 1, 4},       {DType::kU16, "U16", 1, 2},         {DType::kU8, "U8", 1, 1},
    {DType::kBool, "BOOL", 1, 1},     {DType::kF8_E4M3, "F8_E4M3", 1, 1}, {DType::kF8_E5M2, "F8_E5M2", 1, 1},
    {DType::kQ4_0, "Q4_0", 32, 18},   {DType::kQ4_1, "Q4_1", 32, 20},     {DType::kQ5_0, "Q5_0", 32, 22},
    {DType::kQ5_1, "Q5_1", 32, 24},   {DType::kQ8_0, "Q8_0", 32, 34},     {DType::kQ2_K, "Q2_K", 256, 84},
    {DType::kQ3_K, "Q3_K", 256, 110}, {DType::kQ4_K, "Q4_K", 256, 144},   {DType::kQ5_K, "Q5_K", 256, 176},
    {DType::kQ6_K, "Q6_K", 256, 210},
};

constexpr bool indexed_by_dtype() {
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    if (static_cast<std::size_t>(kTypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(indexed_by_dtype());

}  // namespace

const DTypeInfo& info(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& type : kTypes) {
    if (type.name == name) return type.dtype;
  }
  return std::nullopt;
}

bool is_weight_dtype(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         info(dtype).block_values > 1;
}

std::uint64_t num_bytes(DType dtype, std::uint64_t num_values) {
  ASSAY_CHECK(num_values % info(dtype).block_values == 0);
  return num_values / info(dtype).block_values * info(dtype).block_bytes;
}

}  // namespace assay
