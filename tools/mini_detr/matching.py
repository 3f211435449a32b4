"""The cheapest one-to-one assignment of objects to queries for many small problems at once: the Hungarian method with
potentials, a thread each, on a GPU; scipy's elsewhere."""
import torch

MAX_OBJECTS = 12
MAX_QUERIES = 32

KERNEL = r"""
extern "C" __global__ void assign(const float* cost, const int* counts, int problems, int queries,
                                  int per_picture, int pictures, long long* out) {
  // cost: [problems][queries][12], problem = (layer * pictures + picture) * per_picture + group.
  const int problem = blockIdx.x * blockDim.x + threadIdx.x;
  if (problem >= problems) return;
  const float* c = cost + (long long)problem * queries * 12;
  const int objects = counts[(problem / per_picture) % pictures];
  float u[13], v[33], least[33];
  int owner[33], before[33];
  for (int i = 0; i <= objects; ++i) u[i] = 0;
  for (int j = 0; j <= queries; ++j) { v[j] = 0; owner[j] = 0; }
  for (int i = 1; i <= objects; ++i) {
    owner[0] = i;
    int j0 = 0;
    unsigned long long used = 0;
    for (int j = 0; j <= queries; ++j) least[j] = 1e30f;
    do {
      used |= 1ULL << j0;
      const int i0 = owner[j0];
      float delta = 1e30f;
      int j1 = 0;
      for (int j = 1; j <= queries; ++j) {
        if (used >> j & 1) continue;
        const float reduced = c[(j - 1) * 12 + i0 - 1] - u[i0] - v[j];
        if (reduced < least[j]) { least[j] = reduced; before[j] = j0; }
        if (least[j] < delta) { delta = least[j]; j1 = j; }
      }
      if (j1 == 0) break;  // costs that are not numbers
      for (int j = 0; j <= queries; ++j) {
        if (used >> j & 1) { u[owner[j]] += delta; v[j] -= delta; } else { least[j] -= delta; }
      }
      j0 = j1;
    } while (owner[j0] != 0);
    while (j0 != 0) { const int j1 = before[j0]; owner[j0] = owner[j1]; j0 = j1; }
  }
  long long* o = out + (long long)problem * 12;
  for (int i = 0; i < 12; ++i) o[i] = 0;
  for (int j = 1; j <= queries; ++j) if (owner[j] > 0) o[owner[j] - 1] = j - 1;
}
"""

_kernel = None


def prepare():
    """Compiles the kernel (before a graph is captured)."""
    global _kernel
    if _kernel is None:
        import cupy
        _kernel = cupy.RawKernel(KERNEL, "assign")
        _kernel.compile()


def assign(cost, counts):
    """cost [layers, B, groups, queries, MAX_OBJECTS], counts [B] of int32: the query of each object,
    [layers, B, groups, MAX_OBJECTS]; 0 beyond an image's objects."""
    layers, batch, groups, queries, _ = cost.shape
    out = torch.zeros(layers, batch, groups, MAX_OBJECTS, dtype=torch.int64, device=cost.device)
    if cost.is_cuda:
        import cupy
        prepare()
        problems = layers * batch * groups
        cost, counts = cost.contiguous(), counts.contiguous()
        stream = cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)
        with stream:
            _kernel(((problems + 31) // 32,), (32,),
                    (cupy.uint64(cost.data_ptr()), cupy.uint64(counts.data_ptr()), cupy.int32(problems),
                     cupy.int32(queries), cupy.int32(groups), cupy.int32(batch), cupy.uint64(out.data_ptr())))
        return out
    from scipy.optimize import linear_sum_assignment
    for b, count in enumerate(counts.tolist()):
        for layer in range(layers):
            for g in range(groups):
                rows, columns = linear_sum_assignment(cost[layer, b, g, :, :count].numpy())
                out[layer, b, g, torch.from_numpy(columns)] = torch.from_numpy(rows)
    return out
