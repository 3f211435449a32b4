// From a checkpoint on disk to a model in memory, and its tokenizer.
#pragma once
#include <filesystem>

#include "base/result.h"
#include "engine/checkpoint.h"
#include "engine/model.h"
#include "text/tokenizer.h"

namespace assay {

// Weights stay in the mapped files, but for packed GPTQ layers (repacked for the kernels), GPT-2's transposed matrices
// and GGUF's reordered rows, which are copied once and their file pages released. Norms and biases become float32; a
// NaN or infinity in them is kCorrupt.
// Errors name file, tensor, what was found and what was expected.
Result<LanguageModel> load_model(const std::filesystem::path& path);

// The same from an opened checkpoint, whose mappings move into the model.
Result<LanguageModel> load_model(Checkpoint checkpoint);

// tokenizer.json (with tokenizer_config.json), or vocab.json with merges.txt, in the folder; or the .gguf's own.
Result<Tokenizer> load_tokenizer(const std::filesystem::path& path);

// The tokenizer that a GGUF file carries.
Result<Tokenizer> tokenizer_from_gguf(const gguf::File& file);

}  // namespace assay
