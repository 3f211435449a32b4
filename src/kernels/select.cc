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
  use_packed_reference(table);
  use_elementwise_reference(table);
  use_attention_reference(table);
  return table;
}

const KernelTable& reference_kernels() {
  static const KernelTable table = make_reference();
  return table;
}

#if defined(__x86_64__)
const KernelTable& avx2_kernels() {
  static const KernelTable table = [] {
    KernelTable avx2 = make_reference();
    avx2.name = "avx2";
    use_weights_avx2(avx2);
    use_linear_avx2(avx2);
    use_packed_avx2(avx2);
    use_elementwise_avx2(avx2);
    return avx2;
  }();
  return table;
}

const KernelTable& avx512_kernels() {
  static const KernelTable table = [] {
    KernelTable avx512 = make_reference();
    avx512.name = "avx512";
    use_weights_avx512(avx512);
    use_group_dots_avx512(avx512);
    use_packed_avx2(avx512);
    use_linear_avx512(avx512);
    use_elementwise_avx512(avx512);
    return avx512;
  }();
  return table;
}

const KernelTable& avx512_vnni_kernels() {
  static const KernelTable table = [] {
    KernelTable vnni = avx512_kernels();
    vnni.name = "avx512vnni";
    use_dots_vnni(vnni);
    use_super_dots_vnni(vnni);
    return vnni;
  }();
  return table;
}

// Has what the other tables have, VNNI too where the processor does.
const KernelTable& avx512_bf16_kernels(bool vnni) {
  const auto make = [](const KernelTable& base) {
    KernelTable bf16 = base;
    bf16.name = "avx512bf16";
    use_brain_tiles_avx512(bf16);
    return bf16;
  };
  static const KernelTable plain = make(avx512_kernels());
  static const KernelTable with_vnni = make(avx512_vnni_kernels());
  return vnni ? with_vnni : plain;
}
#elif defined(__aarch64__)
const KernelTable& neon_kernels() {
  static const KernelTable table = [] {
    KernelTable neon = make_reference();
    neon.name = "neon";
    use_weights_neon(neon);
    use_linear_neon(neon);
    use_elementwise_neon(neon);
    return neon;
  }();
  return table;
}
#endif

}  // namespace

std::vector<const KernelTable*> runnable_kernels([[maybe_unused]] const CpuFeatures& features) {
  std::vector<const KernelTable*> tables = {&reference_kernels()};
#if defined(__x86_64__)
  if (features.avx2) tables.push_back(&avx2_kernels());
  if (features.avx512) tables.push_back(&avx512_kernels());
  if (features.avx512_vnni) tables.push_back(&avx512_vnni_kernels());
  if (features.avx512_bf16) {
    const auto place = features.fast_avx512_bf16 ? tables.end() : tables.end() - 1;
    tables.insert(place, &avx512_bf16_kernels(features.avx512_vnni));
  }
#elif defined(__aarch64__)
  if (features.neon) tables.push_back(&neon_kernels());
#endif
  return tables;
}

const KernelTable& select_kernels(const CpuFeatures& features) { return *runnable_kernels(features).back(); }

std::string_view name(const KernelTable& table) { return table.name; }

}  // namespace assay
