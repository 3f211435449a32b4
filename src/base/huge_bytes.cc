#include "base/huge_bytes.h"

#include <sys/mman.h>

#include <string>
#include <utility>

namespace assay {
namespace {

constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

}  // namespace

Result<HugeBytes> HugeBytes::allocate(std::uint64_t size) {
  HugeBytes bytes;
  if (size == 0) return bytes;
  const Error none{ErrorCode::kResourceLimit, "no memory for " + std::to_string(size) + " bytes of weights"};
  if (size > UINT64_MAX - 2 * kHugePage) return none;
  // The system aligns to small pages alone, so one huge page more is asked for.
  const std::uint64_t mapping_size = (size + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
  void* mapping = mmap(nullptr, mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return none;
  bytes.mapping_ = mapping;
  bytes.mapping_size_ = mapping_size;
  const auto address = reinterpret_cast<std::uintptr_t>(mapping);
  bytes.data_ = static_cast<std::uint8_t*>(mapping) + (kHugePage - address % kHugePage) % kHugePage;
  bytes.size_ = size;
  // A wish: where it is refused, small pages do.
  static_cast<void>(madvise(bytes.data_, mapping_size - kHugePage, MADV_HUGEPAGE));
  return bytes;
}

HugeBytes::~HugeBytes() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_size_);
}

HugeBytes::HugeBytes(HugeBytes&& other) noexcept { *this = std::move(other); }

HugeBytes& HugeBytes::operator=(HugeBytes&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_size_, other.mapping_size_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace assay
