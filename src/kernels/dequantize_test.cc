#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "kernels/kernels_testing.h"
#include "support/testing.h"

namespace assay {
namespace {

class Dequantize : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Table, Dequantize, testing::ValuesIn(tables_here()), table_name);

// The tensors of a golden safetensors file, which is well formed.
struct Golden {
  explicit Golden(const std::string& type)
      : bytes(read_bytes(golden("gguf_blocks/" + type + ".safetensors"))) {
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
    header = nlohmann::json::parse(bytes.substr(8, header_bytes));
    data = bytes.data() + 8 + header_bytes;
  }
  std::int64_t rows(const std::string& tensor) const { return header.at(tensor).at("shape").at(0); }
  const char* begin(const std::string& tensor) const {
    return data + header.at(tensor).at("data_offsets").at(0).get<std::size_t>();
  }
  std::string bytes;
  nlohmann::json header;
  const char* data;
};

TEST_P(Dequantize, GivesTheBitsOfGgmlForEveryType) {
  for (const std::string type :
       {"F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}) {
    std::string file = type;
    std::transform(file.begin(), file.end(), file.begin(), [](unsigned char c) { return std::tolower(c); });
    const Golden stored(file);
    const DType dtype = *dtype_from_name(type);
    for (const std::string kind : {"random", "quantized"}) {
      if (!stored.header.contains(kind + "_blocks")) continue;
      const std::int64_t rows = stored.rows(kind + "_blocks");
      const std::int64_t cols = stored.header.at(kind + "_values").at("shape").at(1);
      const auto* blocks = reinterpret_cast<const std::byte*>(stored.begin(kind + "_blocks"));
      const auto view =
          dense_view(dtype, {blocks, num_bytes(dtype, static_cast<std::uint64_t>(rows * cols))}, rows, cols);
      for (std::int64_t r = 0; r < rows; ++r) {
        std::vector<float> actual(static_cast<std::size_t>(cols)), expected(actual.size());
        std::memcpy(expected.data(), stored.begin(kind + "_values") + r * cols * 4, expected.size() * 4);
        dequantize_row(*GetParam(), view, r, actual);
        EXPECT_TRUE(same_bits(actual, expected)) << type << " " << kind << " row " << r;
      }
    }
  }
}

TEST_P(Dequantize, GivesTheBitsOfTheReferenceForEveryFormatAndRemainder) {
  for (const auto& format : all_formats()) {
    for (const std::int64_t blocks : {1, 2, 3, 15, 16, 17, 33, 63, 64, 65, 130, 257, 600, 1100}) {
      if (format.block_values() > 32 && blocks > 5) continue;
      const std::int64_t cols = blocks * format.block_values();
      const auto weights = format.make(3, cols, 11);
      const auto expected = reference_values(weights.view);
      std::vector<float> actual(expected.size());
      for (std::int64_t r = 0; r < 3; ++r) {
        dequantize_row(
            *GetParam(), weights.view, r,
            std::span(actual).subspan(static_cast<std::size_t>(r * cols), static_cast<std::size_t>(cols)));
      }
      EXPECT_TRUE(same_bits(actual, expected)) << format.name() << " cols " << cols;
    }
  }
}

TEST_P(Dequantize, ReadsUnalignedRowsAndWritesNothingBeyondThem) {
  for (const auto& format : all_formats()) {
    if (format.bits != 0) continue;
    const std::int64_t cols = 3 * format.block_values();
    auto weights = format.make(2, cols, 5);
    const auto expected = reference_values(weights.view);
    std::vector<std::byte> shifted(weights.bytes.size() + 1);
    std::copy(weights.bytes.begin(), weights.bytes.end(), shifted.begin() + 1);
    WeightView view = weights.view;
    view.data = shifted.data() + 1;
    std::vector<float> actual(static_cast<std::size_t>(cols) + 2, 42.0f);
    dequantize_row(*GetParam(), view, 1, std::span(actual).subspan(1, static_cast<std::size_t>(cols)));
    EXPECT_TRUE(same_bits(std::span(actual).subspan(1, static_cast<std::size_t>(cols)),
                          std::span(expected).subspan(static_cast<std::size_t>(cols))))
        << format.name();
    EXPECT_EQ(actual.front(), 42.0f);
    EXPECT_EQ(actual.back(), 42.0f);
  }
}

TEST_P(Dequantize, SubtractsZeroPointsAboveTheCodes) {
  GroupQuantMatrix matrix(4, 1, 64, 64);
  std::vector<std::uint8_t> codes(64);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i % 16);
  matrix.set_row(0, codes);
  matrix.scale(0, 0) = to_float16(0.5f);
  matrix.zero(0, 0) = 200;
  std::vector<float> actual(64);
  dequantize_row(*GetParam(), matrix.view(), 0, actual);
  for (std::size_t i = 0; i < codes.size(); ++i)
    EXPECT_EQ(actual[i], 0.5f * (static_cast<float>(codes[i]) - 200.0f));
}

}  // namespace
}  // namespace assay
