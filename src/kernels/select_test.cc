#include <algorithm>

#include "kernels/kernel_table.h"
#include "kernels/kernels_testing.h"

namespace assay {
namespace {

using Names = std::vector<std::string_view>;

TEST(Select, HasTheReferenceFirstAndAloneWhereNothingIsKnown) {
  EXPECT_EQ(kernel_names({}), Names{"reference"});
  EXPECT_EQ(name(select_kernels({})), "reference");
}

TEST(Select, NamesTheTablesThatItMakes) {
  const CpuFeatures features = detect_cpu_features();
  Names names;
  for (const KernelTable* table : runnable_kernels(features)) names.push_back(name(*table));
  EXPECT_EQ(names, kernel_names(features));
  EXPECT_EQ(name(select_kernels(features)), names.back());
}

#if defined(__x86_64__)
TEST(Select, TakesTheWidestSetThatTheFeaturesName) {
  CpuFeatures features;
  features.avx2 = true;
  EXPECT_EQ(kernel_names(features), (Names{"reference", "avx2"}));
  features.avx512 = true;
  EXPECT_EQ(kernel_names(features), (Names{"reference", "avx2", "avx512"}));
  features.avx512_vnni = true;
  EXPECT_EQ(kernel_names(features), (Names{"reference", "avx2", "avx512", "avx512vnni"}));
}

TEST(Select, TakesBfloat16PairsFirstOnlyWhereTheyAreFast) {
  CpuFeatures features;
  features.avx2 = features.avx512 = features.avx512_vnni = features.avx512_bf16 = true;
  EXPECT_EQ(kernel_names(features), (Names{"reference", "avx2", "avx512", "avx512bf16", "avx512vnni"}));
  features.fast_avx512_bf16 = true;
  EXPECT_EQ(kernel_names(features), (Names{"reference", "avx2", "avx512", "avx512vnni", "avx512bf16"}));
  features.avx512_vnni = false;
  EXPECT_EQ(kernel_names(features).back(), "avx512bf16");
}

TEST(Select, TakesTileRegistersFirst) {
  CpuFeatures features;
  features.avx2 = features.avx512 = features.avx512_vnni = features.avx512_bf16 = features.amx_bf16 = true;
  EXPECT_EQ(kernel_names(features),
            (Names{"reference", "avx2", "avx512", "avx512bf16", "avx512vnni", "amx"}));
}

TEST(Select, IgnoresWhatAnotherProcessorHas) {
  CpuFeatures features;
  features.neon = true;
  EXPECT_EQ(kernel_names(features), Names{"reference"});
}
#endif

TEST(Select, FillsEveryFunctionOfEveryTable) {
  for (const KernelTable* table : tables_here()) {
    for (const auto& fn : table->dequantize) EXPECT_NE(fn, nullptr) << table->name;
    for (const auto& fn : table->dot) EXPECT_NE(fn, nullptr) << table->name;
    for (const auto& fn : table->packed_dot) EXPECT_NE(fn, nullptr) << table->name;
    for (const auto& fn : table->spread) EXPECT_NE(fn, nullptr) << table->name;
    for (const auto& fn : table->multiply_packed_tile) EXPECT_NE(fn, nullptr) << table->name;
    for (const auto& fn : table->activate) EXPECT_NE(fn, nullptr) << table->name;
    EXPECT_TRUE(table->transpose && table->multiply_tile && table->round_input && table->round_units &&
                table->scores && table->softmax && table->rms_norm && table->layer_norm && table->rope &&
                table->add)
        << table->name;
  }
}

TEST(Select, RunsTheTableThatIsForced) {
  // A copy whose addition leaves a mark.
  KernelTable marked = *tables_here().back();
  marked.add = [](const float*, std::int64_t count, float* y) { std::fill_n(y, count, 42.0f); };
  ThreadPool pool(1);
  const std::vector<float> x(3, 1.0f);
  std::vector<float> y(3, 1.0f);
  add_in_place({&marked, &pool}, {x.data(), 1, 3}, {y.data(), 1, 3});
  EXPECT_EQ(y, std::vector<float>(3, 42.0f));
  add_in_place({tables_here().front(), &pool}, {x.data(), 1, 3}, {y.data(), 1, 3});
  EXPECT_EQ(y, std::vector<float>(3, 43.0f));
}

TEST(Select, GivesInstructionSetsFunctionsOfTheirOwn) {
  const auto tables = tables_here();
  for (std::size_t i = 1; i < tables.size(); ++i) {
    EXPECT_NE(tables[i]->multiply_tile, tables[0]->multiply_tile) << tables[i]->name;
    EXPECT_NE(tables[i]->softmax, tables[0]->softmax) << tables[i]->name;
    for (int kind = 0; kind < kNumPackedKinds; ++kind) {
      EXPECT_NE(tables[i]->packed_dot[kind], tables[0]->packed_dot[kind]) << tables[i]->name << " " << kind;
      EXPECT_NE(tables[i]->multiply_packed_tile[kind], tables[0]->multiply_packed_tile[kind])
          << tables[i]->name;
    }
    for (int format = 0; format < kNumWeightFormats; ++format) {
      EXPECT_NE(tables[i]->dequantize[format], tables[0]->dequantize[format])
          << tables[i]->name << " " << format;
    }
  }
}

}  // namespace
}  // namespace assay
