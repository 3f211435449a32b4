// Which tables exist, and which of them a processor runs.
#include "kernels/kernel_table.h"
#include "kernels/kernels.h"

namespace assay {
namespace {

KernelTable make_reference() {
  KernelTable table{};
  table.name = "reference";
  use_dequantize_reference(table);
  use_linear_reference(table);
  use_elementwise_reference(table);
  use_attention_reference(table);
  return table;
}

const KernelTable& reference_kernels() {
  static const KernelTable table = make_reference();
  return table;
}

#if defined(__x86_64__)
KernelTable make_avx512(bool vnni) {
  KernelTable table = make_reference();
  table.name = vnni ? "avx512vnni" : "avx512";
  use_weights_avx512(table);
  use_linear_avx512(table);
  use_elementwise_avx512(table);
  if (vnni) use_dots_vnni(table);
  return table;
}

const KernelTable& avx512_kernels() {
  static const KernelTable table = make_avx512(false);
  return table;
}

const KernelTable& avx512_vnni_kernels() {
  static const KernelTable table = make_avx512(true);
  return table;
}
#endif

}  // namespace

std::vector<const KernelTable*> runnable_kernels(const CpuFeatures& features) {
  std::vector<const KernelTable*> tables = {&reference_kernels()};
#if defined(__x86_64__)
  if (features.avx512) tables.push_back(&avx512_kernels());
  if (features.avx512_vnni) tables.push_back(&avx512_vnni_kernels());
#endif
  return tables;
}

const KernelTable& select_kernels(const CpuFeatures& features) { return *runnable_kernels(features).back(); }

std::string_view name(const KernelTable& table) { return table.name; }

}  // namespace assay
