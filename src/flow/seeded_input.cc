#include "flow/seeded_input.h"

#include <cstring>
#include <vector>

#include "base/rng.h"

namespace assay {
namespace {

constexpr std::uint64_t kSeed = 1;

}  // namespace

Status fill_inputs(litert::Runner& runner) {
  Rng rng(kSeed);
  for (std::size_t i = 0; i < runner.inputs().size(); ++i) {
    const litert::TensorDescription& tensor = runner.inputs()[i];
    std::vector<std::byte> data(tensor.num_bytes());
    if (tensor.type == litert::ElementType::kFloat32) {
      for (std::size_t at = 0; at < data.size(); at += sizeof(float)) {
        const auto value = static_cast<float>(rng.below(256));
        std::memcpy(data.data() + at, &value, sizeof value);
      }
    } else if (litert::element_bytes(tensor.type) == 1) {
      for (auto& byte : data) byte = static_cast<std::byte>(rng.below(256));
    }
    ASSAY_RETURN_IF_ERROR(runner.set_input(i, data));
  }
  return {};
}

}  // namespace assay
