// What training leaves on disk to go on from: arrays of a state, and finished blocks.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/model.h"
#include "gradient/trainable_block.h"
#include "tensor/dtype.h"

namespace assay {

// An array that is written from memory, or read back into it.
struct NamedArray {
  std::string name;
  DType dtype;
  std::span<std::byte> bytes;
};

// A safetensors file, in one step under its name. Errors: kIo.
Status save_arrays(const std::filesystem::path& path, std::vector<NamedArray> arrays);
// Errors: kCorrupt when the file does not hold exactly arrays of these names, types and sizes; kIo.
Status load_arrays(const std::filesystem::path& path, const std::vector<NamedArray>& arrays);

// Quantized matrices and norms of some blocks and the final norm, bit for bit. Loading expects the same
// shapes, bits and group sizes.
Status save_quantized_blocks(const std::filesystem::path& path, const LanguageModel& model, std::size_t first,
                             std::size_t end);
Status load_quantized_blocks(const std::filesystem::path& path, LanguageModel& model, std::size_t first,
                             std::size_t end);

// Everything that a block's training goes on from. Adam's means are allotted if they are not there yet.
std::vector<NamedArray> arrays_of(TrainingState& state, const std::string& prefix,
                                  const TrainingRates& rates);

}  // namespace assay
