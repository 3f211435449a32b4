#include "measure/gpu_energy.h"

#include <dlfcn.h>

#include <string>
#include <utility>
#include <vector>

namespace assay::measure {
namespace {

constexpr double kJoulesPerMillijoule = 1e-3;

// What is used of nvml.h, whose functions return 0 when all is well.
using Device = struct NvmlDevice*;
using Plain = int (*)();
using GetCount = int (*)(unsigned int*);
using GetHandle = int (*)(unsigned int, Device*);
using GetEnergy = int (*)(Device, unsigned long long*);
using ErrorText = const char* (*)(int);

}  // namespace

struct GpuEnergyCounter::State {
  void* library = nullptr;
  bool started = false;
  Plain init = nullptr, shutdown = nullptr;
  GetCount count = nullptr;
  GetHandle handle = nullptr;
  GetEnergy energy = nullptr;
  ErrorText text = nullptr;
  std::vector<std::pair<Device, unsigned long long>> gpus;  // with what they had taken at the start, mJ

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (started) shutdown();
    if (library != nullptr) dlclose(library);
  }

  template <typename Function>
  bool find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    return function != nullptr;
  }
  Error failed(ErrorCode error, int code) const { return {error, std::string("NVML: ") + text(code)}; }
};

GpuEnergyCounter::GpuEnergyCounter(std::unique_ptr<State> state) : state_(std::move(state)) {}
GpuEnergyCounter::GpuEnergyCounter(GpuEnergyCounter&&) noexcept = default;
GpuEnergyCounter& GpuEnergyCounter::operator=(GpuEnergyCounter&&) noexcept = default;
GpuEnergyCounter::~GpuEnergyCounter() = default;

Result<GpuEnergyCounter> GpuEnergyCounter::start(const std::filesystem::path& library) {
  auto state = std::make_unique<State>();
  state->library = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (state->library == nullptr)
    return Error{ErrorCode::kNotFound, "no NVML (the NVIDIA driver's " + library.string() + ")"};
  if (!state->find(state->init, "nvmlInit_v2") || !state->find(state->shutdown, "nvmlShutdown") ||
      !state->find(state->count, "nvmlDeviceGetCount_v2") ||
      !state->find(state->handle, "nvmlDeviceGetHandleByIndex_v2") ||
      !state->find(state->energy, "nvmlDeviceGetTotalEnergyConsumption") ||
      !state->find(state->text, "nvmlErrorString"))
    return Error{ErrorCode::kUnsupported, library.string() + " is too old to count energy"};
  if (const int code = state->init(); code != 0) return state->failed(ErrorCode::kNotFound, code);
  state->started = true;
  unsigned int count = 0;
  if (const int code = state->count(&count); code != 0) return state->failed(ErrorCode::kNotFound, code);
  if (count == 0) return Error{ErrorCode::kNotFound, "NVML: no GPU"};
  for (unsigned int i = 0; i < count; ++i) {
    Device device = nullptr;
    unsigned long long taken = 0;
    if (const int code = state->handle(i, &device); code != 0)
      return state->failed(ErrorCode::kUnsupported, code);
    if (const int code = state->energy(device, &taken); code != 0)
      return state->failed(ErrorCode::kUnsupported, code);
    state->gpus.emplace_back(device, taken);
  }
  return GpuEnergyCounter(std::move(state));
}

int GpuEnergyCounter::gpus() const { return static_cast<int>(state_->gpus.size()); }

Result<double> GpuEnergyCounter::read() const {
  double joules = 0;
  for (const auto& [device, before] : state_->gpus) {
    unsigned long long now = 0;
    if (const int code = state_->energy(device, &now); code != 0)
      return state_->failed(ErrorCode::kUnsupported, code);
    joules += kJoulesPerMillijoule * static_cast<double>(now - before);
  }
  return joules;
}

}  // namespace assay::measure
