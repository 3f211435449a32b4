// Writes safetensors files that the reference implementation reads, tensor after tensor, without holding them
// in memory.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "formats/tensor_stream.h"
#include "formats/tensor_view.h"

namespace assay {

// Orders declarations as the reference implementation lays them out: wider types first, then by name. Any
// order without misaligned tensors is valid; this one always is, and gives byte for byte what Hugging Face's
// save_file writes.
void sort_as_reference(std::vector<TensorDeclaration>& tensors);

// The file appears at `path` with commit(), or not at all. Not thread safe.
class SafetensorsWriter {
 public:
  // The data follows in the order of `tensors`. Errors: kInvalidArgument (duplicate or empty name,
  // "__metadata__", a block dtype, a tensor that would start unaligned to its dtype: torch cannot map it),
  // kResourceLimit (header over 100 MB), kIo.
  static Result<SafetensorsWriter> create(const std::filesystem::path& path,
                                          std::vector<TensorDeclaration> tensors,
                                          const std::map<std::string, std::string>& metadata);

  // Appends bytes of the tensor `name`, in as many pieces as the caller likes. Errors: kInvalidArgument when
  // another tensor is due or when more bytes come than declared; kIo.
  Status append(std::string_view name, ByteView bytes) { return stream_.append(name, bytes); }

  // Errors: kInvalidArgument when bytes are missing; kIo.
  Status commit() { return stream_.commit(); }

 private:
  explicit SafetensorsWriter(TensorStream stream) : stream_(std::move(stream)) {}
  TensorStream stream_;
};

}  // namespace assay
