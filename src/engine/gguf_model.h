// A GGUF file seen as a Hugging Face checkpoint: configuration from metadata, tensors under their Hugging Face names and
// in their Hugging Face order. Source: llama.cpp's convert_hf_to_gguf.py and gguf-py's tensor_mapping.py, read backwards.
#pragma once
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/checkpoint.h"

namespace assay {

// `file` must stay mapped as long as the checkpoint is used. Rows that llama.cpp permutes (Llama's query and key for its
// interleaved rotation, GPT-NeoX's fused projection) are copied back into order; everything else stays borrowed.
// Errors: kUnsupported (an architecture that is not known, by name), kCorrupt (metadata that is missing or wrong).
Result<Checkpoint> checkpoint_from_gguf(ByteView file);

// config.json for the file's architecture. Errors as above.
Result<std::string> config_json_from_gguf(const gguf::File& file);

}  // namespace assay
