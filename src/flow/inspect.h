// What a checkpoint on disk holds, whether or not the engine can run it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "engine/model_config.h"
#include "formats/gptq/gptq_config.h"
#include "tensor/dtype.h"

namespace assay {

struct StoredTensor {
  std::string name;            // as the file spells it
  std::string type;            // as the format spells it, known to this program or not
  std::optional<DType> dtype;  // nothing: cannot be computed with
  std::vector<std::int64_t> shape;
  ByteView bytes;  // borrowed from `files`; empty when the type's size is unknown
};

struct ModelInspection {
  std::string format;                 // "Hugging Face", "GPTQ", "GGUF version 3", "safetensors"
  std::string architecture;           // as the checkpoint calls it; empty: it does not say
  std::optional<ModelConfig> config;  // nothing: the engine does not know the architecture
  std::string obstacle;  // why the engine cannot run it, as far as headers tell; empty: nothing known
  std::optional<GptqConfig> gptq;
  std::vector<StoredTensor> tensors;  // GGUF: in the order of the file; else by name
  std::vector<MappedFile> files;      // own the tensors' bytes

  std::uint64_t file_bytes = 0;  // of the weight files, headers included
  std::uint64_t tensor_bytes = 0;
  std::uint64_t embedding_bytes = 0;  // token embedding, learned positions, output head
  std::uint64_t parameters = 0;       // of a packed GPTQ matrix: those it stands for
  std::uint64_t embedding_parameters = 0;
};

// A Hugging Face or GPTQ folder, a .gguf file, or a single .safetensors file. Reads headers only.
// Errors name the file: kNotFound, kCorrupt, kUnsupported (a format that is none of these), kIo.
Result<ModelInspection> inspect_model(const std::filesystem::path& path);

// A tensor with values that are not finite numbers.
struct NonFiniteTensor {
  std::string name;
  std::uint64_t nan_values = 0;
  std::uint64_t infinite_values = 0;
  std::uint64_t first = 0;  // index of the first of them, row-major
};

struct NonFiniteScan {
  std::vector<NonFiniteTensor> found;    // in the order of inspection.tensors
  std::vector<std::string> not_scanned;  // tensors whose type this program cannot read
};

// Reads every value of every floating-point and block-quantized tensor. Errors: kInterrupted.
Result<NonFiniteScan> find_non_finite(const ModelInspection& inspection, ThreadPool& pool,
                                      Progress& progress);

}  // namespace assay
