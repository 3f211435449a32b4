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
    use_packed_vnni(vnni);
    use_super_dots_vnni(vnni);
    return vnni;
  }();
  return table;
}

KernelTable with_brain_tiles(const KernelTable& base) {
  KernelTable table = base;
  table.name = "avx512bf16";
  use_brain_tiles_avx512(table);
  return table;
}

const KernelTable& avx512_bf16_kernels() {
  static const KernelTable table = with_brain_tiles(avx512_kernels());
  return table;
}

const KernelTable& avx512_bf16_vnni_kernels() {
  static const KernelTable table = with_brain_tiles(avx512_vnni_kernels());
  return table;
}

const KernelTable& amx_kernels() {
  static const KernelTable table = [] {
    KernelTable amx = avx512_vnni_kernels();
    amx.name = "amx";
    use_brain_blocks_amx(amx);
    return amx;
  }();
  return table;
}
#elif defined(__aarch64__)
const KernelTable& neon_kernels() {
  static const KernelTable table = [] {
    KernelTable neon = make_reference();
    neon.name = "neon";
    use_weights_neon(neon);
    use_linear_neon(neon);
    use_packed_neon(neon);
    use_elementwise_neon(neon);
    return neon;
  }();
  return table;
}
#endif

// A table that is made when it is asked for.
struct Candidate {
  std::string_view name;
  const KernelTable& (*table)();
};

std::vector<Candidate> candidates([[maybe_unused]] const CpuFeatures& features) {
  std::vector<Candidate> all = {{"reference", reference_kernels}};
#if defined(__x86_64__)
  if (features.avx2) all.push_back({"avx2", avx2_kernels});
  if (features.avx512) all.push_back({"avx512", avx512_kernels});
  if (features.avx512_vnni) all.push_back({"avx512vnni", avx512_vnni_kernels});
  if (features.avx512_bf16) {
    const auto place = features.fast_avx512_bf16 ? all.end() : all.end() - 1;
    all.insert(place, {"avx512bf16", features.avx512_vnni ? avx512_bf16_vnni_kernels : avx512_bf16_kernels});
  }
  if (features.amx_bf16 && features.avx512_vnni) all.push_back({"amx", amx_kernels});
#elif defined(__aarch64__)
  if (features.neon) all.push_back({"neon", neon_kernels});
#endif
  return all;
}

}  // namespace

std::vector<std::string_view> kernel_names(const CpuFeatures& features) {
  std::vector<std::string_view> names;
  for (const Candidate& candidate : candidates(features)) names.push_back(candidate.name);
  return names;
}

std::vector<const KernelTable*> runnable_kernels(const CpuFeatures& features) {
  std::vector<const KernelTable*> tables;
  for (const Candidate& candidate : candidates(features)) tables.push_back(&candidate.table());
  return tables;
}

const KernelTable& select_kernels(const CpuFeatures& features) { return candidates(features).back().table(); }

std::string_view name(const KernelTable& table) { return table.name; }

}  // namespace assay
