// Writes GGUF version 3, tensor after tensor.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/gguf/gguf.h"
#include "formats/tensor_stream.h"
#include "formats/tensor_view.h"

namespace assay::gguf {

// The file appears at `path` with commit(), or not at all. Not thread safe.
class Writer {
 public:
  // Metadata is written in the given order; "general.alignment" (uint32) among it sets the alignment, 32
  // without it. Shapes are row-major as everywhere here. Errors: kInvalidArgument (duplicate key or name, no
  // or more than four dimensions, a name of 64 bytes or more, a dtype that ggml lacks, rows that are not
  // whole blocks), kIo.
  static Result<Writer> create(const std::filesystem::path& path,
                               const std::vector<std::pair<std::string, Value>>& metadata,
                               const std::vector<TensorDeclaration>& tensors);

  // Appends bytes of the tensor `name`, in as many pieces as the caller likes, in the declared order.
  // Errors: kInvalidArgument when another tensor is due or more bytes come than declared; kIo.
  Status append(std::string_view name, ByteView bytes) { return stream_.append(name, bytes); }

  // Errors: kInvalidArgument when bytes are missing; kIo.
  Status commit() { return stream_.commit(); }

 private:
  explicit Writer(TensorStream stream) : stream_(std::move(stream)) {}
  TensorStream stream_;
};

}  // namespace assay::gguf
