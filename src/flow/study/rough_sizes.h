// How large models and data are that are not there yet, as far as the catalogue tells: for plans.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace assay {

// Of a language model, by the bytes of its file: two to a weight, or five bits of a .gguf file. Twice too
// many of a float32 checkpoint. Nothing where the catalogue does not know its size.
std::optional<double> rough_parameters(const std::string& model);

// Bytes of a detector's file or checkpoint, which is taken for float32. Nothing where the catalogue does not know its
// size.
std::optional<std::uint64_t> rough_detector_bytes(const std::string& model);

// Pictures to evaluate on in a set, passages in a data set.
std::int64_t rough_pictures(const std::string& set);
std::int64_t rough_passages(const std::string& set);

}  // namespace assay
