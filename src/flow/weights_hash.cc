#include "flow/weights_hash.h"

#include "base/bytes.h"
#include "flow/fnv.h"

namespace assay {

std::uint64_t weights_hash(const LanguageModel& model) {
  std::uint64_t hash = fnv1a(as_bytes(model.config_json));
  model.for_each_linear([&](const Linear& linear) {
    const auto row_bytes = static_cast<std::size_t>(linear.weight.row_bytes);
    hash = fnv1a({linear.weight.row(0), row_bytes}, hash);
    hash = fnv1a({linear.weight.row(linear.weight.rows - 1), row_bytes}, hash);
  });
  return hash;
}

}  // namespace assay
