// How much it costs a model when one of its layers is quantized, and which bits to give to layers by that.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "quant/llm/allocate_bits.h"

namespace assay {

struct LayerSensitivity {
  std::string name;
  std::int64_t rows = 0, cols = 0;
  double kl = 0;  // mean KL(float || this layer alone in the measured format), nats per position
  std::vector<double>
      output_error;  // of each format: relative squared error of the layer's outputs, LayerError::output

  bool operator==(const LayerSensitivity&) const = default;
};

struct Sensitivities {
  std::vector<LayerBits> formats;
  std::size_t measured = 0;
  std::uint64_t weights = 0;             // weights_hash of the model
  std::int64_t probe_positions = 0;      // that divergences are means of
  std::vector<LayerSensitivity> layers;  // in the order of a forward pass

  bool operator==(const Sensitivities&) const = default;
};

// A file of them. `settings`, a JSON object: what they were measured with. Errors: kIo.
Status write_sensitivities(const std::filesystem::path& path, const std::string& settings,
                           const Sensitivities& sensitivities);

struct SensitivityFile {
  std::string settings;
  Sensitivities sensitivities;
};
// Errors: kNotFound, kIo, kCorrupt, all naming the path.
Result<SensitivityFile> read_sensitivities(const std::filesystem::path& path);

// The format of each layer so that codes, scales and zero points of all take at most `average_bits` for each
// weight and the sum of the divergences expected is least: that of format f of a layer is kl *
// output_error[f] / output_error[measured]. Errors: kInvalidArgument where not even the smallest formats fit.
Result<std::vector<LayerBits>> choose_formats(const Sensitivities& sensitivities, double average_bits);

}  // namespace assay
