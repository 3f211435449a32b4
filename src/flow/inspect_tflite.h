// What a .tflite file holds.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/tflite/model.h"

namespace assay {

struct TfliteInspection {
  MappedFile file;  // owns the model's bytes
  tflite::Model model;

  std::map<std::string, std::uint64_t>
      operators;  // name (custom ones: their code) to how many, all subgraphs
  std::map<std::string, std::uint64_t> custom_operators;  // the custom ones among them
  std::map<std::string, std::uint64_t> constant_types;    // type to bytes of constants of that type
  std::uint64_t constant_bytes = 0;                       // of buffers; one that tensors share counts once
  std::uint64_t parameters = 0;                           // values of floating-point and quantized constants

  // "float32", "float16", "int8": the type of nearly all bytes of weights; "mixed" or "none".
  std::string weight_type;
};

// Errors name the file: kNotFound, kIo, kCorrupt, kUnsupported.
Result<TfliteInspection> inspect_tflite(const std::filesystem::path& path);

// "scale 0.5, zero point 3", "64 scales along dimension 0", or nothing.
std::string quantization_text(const tflite::Quantization& quantization);

}  // namespace assay
