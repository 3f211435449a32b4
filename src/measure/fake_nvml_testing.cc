// A library with NVML's symbols: two GPUs, of which the first takes 1.5 J and the second 0.25 J between two
// readings.
extern "C" {

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
const char* nvmlErrorString(int) { return "no error"; }

int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  static unsigned long long taken[2] = {5'000'000, 7'000'000};
  *device = &taken[index];
  return index < 2 ? 0 : 2;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  auto* taken = static_cast<unsigned long long*>(device);
  *millijoules = *taken;
  *taken += *taken % 5'000'000 < 2'000'000 ? 1'500 : 250;
  return 0;
}

}  // extern "C"
