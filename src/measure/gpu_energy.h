// Energy that NVIDIA's driver counts for the machine's GPUs (NVML), where there are any.
#pragma once
#include <filesystem>
#include <memory>

#include "base/result.h"

namespace assay::measure {

// Loads the driver's library when it is asked to. This program computes on the processor alone, so what the
// GPUs take meanwhile is that of idling ones: it belongs to no picture or token. Not thread safe; movable.
class GpuEnergyCounter {
 public:
  // Errors, whose message is the reason to print beside "not available": kNotFound where the library is not
  // there or finds no GPU, kUnsupported where it or a GPU counts no energy (before Volta).
  static Result<GpuEnergyCounter> start(const std::filesystem::path& library = "libnvidia-ml.so.1");

  GpuEnergyCounter(GpuEnergyCounter&&) noexcept;
  GpuEnergyCounter& operator=(GpuEnergyCounter&&) noexcept;
  ~GpuEnergyCounter();

  int gpus() const;
  // Joules of all GPUs together since start(). Errors: kUnsupported, with what the driver says.
  Result<double> read() const;

 private:
  struct State;
  explicit GpuEnergyCounter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace assay::measure
