#include <cmath>

#include "base/rng.h"
#include "kernels/kernel_table.h"
#include "kernels/kernels_testing.h"
#include "support/testing.h"
#include "tensor/float16.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 5;
constexpr std::int64_t kPanelValues = kBrainPanel * kBrainStep;

struct AlignedPanels {
  explicit AlignedPanels(std::int64_t num_steps)
      : panel_values(num_steps * kPanelValues), values(static_cast<std::size_t>(2 * panel_values) + 32) {}
  std::uint16_t* panel(int i) {
    const auto address = reinterpret_cast<std::uintptr_t>(values.data());
    return reinterpret_cast<std::uint16_t*>((address + 63) / 64 * 64) + i * panel_values;
  }
  std::int64_t panel_values;
  std::vector<std::uint16_t> values;
};

// The tables of this processor that have blocks, and the reference's.
std::vector<KernelTable> tables_with_blocks() {
  KernelTable reference = *tables_here().front();
  use_brain_blocks_reference(reference);
  std::vector<KernelTable> tables{reference};
  for (const KernelTable* table : tables_here()) {
    if (table->multiply_brain_block != nullptr) tables.push_back(*table);
  }
  return tables;
}

TEST(BrainBlock, SumsProductsOfAllTermsWithinTheRoundingOfItsSums) {
  for (const KernelTable& table : tables_with_blocks()) {
    for (const int num_terms : {1, 3}) {
      for (const std::int64_t num_steps : {1, 2, 7}) {
        for (const bool onto : {false, true}) {
          Rng rng(kSeed);
          std::vector<AlignedPanels> left, right;
          BrainBlock block{.num_terms = num_terms, .num_steps = num_steps, .onto = onto};
          for (int t = 0; t < num_terms; ++t) {
            for (auto* side : {&left, &right}) {
              side->emplace_back(num_steps);
              for (int i = 0; i < 2; ++i) {
                for (std::int64_t k = 0; k < num_steps * kPanelValues; ++k)
                  side->back().panel(i)[k] = to_bfloat16(static_cast<float>(rng.normal())).bits;
              }
            }
          }
          for (int t = 0; t < num_terms; ++t) {
            for (int i = 0; i < 2; ++i) {
              block.terms[t].left[i] = left[static_cast<std::size_t>(t)].panel(i);
              block.terms[t].right[i] = right[static_cast<std::size_t>(t)].panel(i);
            }
          }
          constexpr std::int64_t kStride = kBrainBlock + 3;
          std::vector<float> out(kBrainBlock * kStride, 0.5f);
          block.out = out.data();
          block.out_stride = kStride;
          table.multiply_brain_block(block);
          for (int i = 0; i < kBrainBlock; ++i) {
            for (int j = 0; j < kStride; ++j) {
              const float got = out[static_cast<std::size_t>(i * kStride + j)];
              if (j >= kBrainBlock) {
                ASSERT_EQ(got, 0.5f) << table.name << " wrote beyond its block";
                continue;
              }
              double sum = onto ? 0.5 : 0.0, size = sum;
              for (int t = 0; t < num_terms; ++t) {
                for (std::int64_t k = 0; k < num_steps * kBrainStep; ++k) {
                  const std::int64_t step = k / kBrainStep * kPanelValues, own = k % kBrainStep;
                  const double product =
                      static_cast<double>(
                          to_float(BFloat16{block.terms[t].left[i / 16][step + i % 16 * kBrainStep + own]})) *
                      to_float(
                          BFloat16{block.terms[t].right[j / 16][step + own / 2 * 32 + j % 16 * 2 + own % 2]});
                  sum += product;
                  size += std::abs(product);
                }
              }
              const double bound =
                  static_cast<double>(num_terms * num_steps * kBrainStep + 1) * 0x1p-24 * size;
              ASSERT_LE(std::abs(got - sum), bound)
                  << table.name << ": " << i << ", " << j << ", " << num_terms << " terms, " << num_steps
                  << " steps, seed " << kSeed;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace assay
