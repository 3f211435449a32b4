// What long work knows a model's weights again by.
#pragma once
#include <cstdint>

#include "engine/model.h"

namespace assay {

// Of the configuration and of the first and the last row of every matrix of the blocks: changes when the
// model is another one or quantized in another way, and reads next to nothing of the weights.
std::uint64_t weights_hash(const LanguageModel& model);

}  // namespace assay
