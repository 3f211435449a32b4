// The part of LiteRT's C interface that is used here, declared by us: the wheel carries the library without
// headers. Layouts and signatures are those of ai-edge-litert 2.3.0 on 64-bit Linux; other versions differ
// (2.1 loads a model without an environment), which is why library.h pins the version and runs a model before
// anything else does.
#pragma once
#include <cstddef>
#include <cstdint>

namespace assay::litert {

inline constexpr const char* kWantedVersion = "2.3.0";

// Handles are opaque; each has a type of its own so that they cannot be mixed up.
using EnvironmentHandle = struct EnvironmentObject*;
using ModelHandle = struct ModelObject*;
using OptionsHandle = struct OptionsObject*;
using OpaqueOptionsHandle = struct OpaqueOptionsObject*;
using CompiledModelHandle = struct CompiledModelObject*;
using SignatureHandle = struct SignatureObject*;
using TensorHandle = struct TensorObject*;
using RequirementsHandle = struct RequirementsObject*;
using BufferHandle = struct BufferObject*;
using ProfilerHandle = struct ProfilerObject*;

using StatusCode = int;
inline constexpr StatusCode kOk = 0;

inline constexpr int kAcceleratorCpu = 1;
inline constexpr int kLockRead = 0;
inline constexpr int kLockWrite = 1;
inline constexpr int kQuantizationNone = 0;
inline constexpr int kQuantizationPerTensor = 1;

struct Any {
  int type;
  union {
    std::int64_t integer;
    double real;
    const void* pointer;
  };
};
inline constexpr int kAnyInteger = 2;

struct EnvironmentOption {
  int tag;
  Any value;
};
inline constexpr int kTagAutoRegisterAccelerators = 24;
inline constexpr int kTagMinLoggerSeverity = 25;

inline constexpr int kMaxRank = 8;
struct Layout {
  unsigned rank : 7;
  unsigned has_strides : 1;
  std::int32_t dimensions[kMaxRank];
  std::uint32_t strides[kMaxRank];
};
struct RankedTensorType {
  int element_type;
  Layout layout;
};
struct PerTensorQuantization {
  float scale;
  std::int64_t zero_point;
};

inline constexpr int kEventOperator = 2;        // one operator of the graph; a delegate counts as one
inline constexpr int kEventDelegateKernel = 8;  // one kernel within a delegate
struct MemoryUsage {
  std::int64_t footprint_kb;
  std::size_t allocated_bytes, in_use_bytes;
};
struct ProfiledEvent {
  const char* tag;  // the operator's or kernel's name; the profiler's
  int type;
  std::uint64_t start_us, elapsed_us;
  MemoryUsage begin, end;
  std::uint64_t node, subgraph;  // of kEventOperator
  int source;
};
static_assert(sizeof(ProfiledEvent) == 104);
static_assert(sizeof(Any) == 16 && sizeof(EnvironmentOption) == 24);
static_assert(sizeof(Layout) == 68 && sizeof(RankedTensorType) == 72 &&
              offsetof(RankedTensorType, layout) == 4);
static_assert(sizeof(PerTensorQuantization) == 16);

// X(function, return type, (parameters)): every function that is used, by its name in the library without
// "LiteRt".
#define ASSAY_LITERT_FUNCTIONS(X)                                                                           \
  X(CreateEnvironment, StatusCode, (int, const EnvironmentOption*, EnvironmentHandle*))                     \
  X(DestroyEnvironment, void, (EnvironmentHandle))                                                          \
  X(CreateModelFromBuffer, StatusCode, (EnvironmentHandle, const void*, std::size_t, ModelHandle*))         \
  X(DestroyModel, void, (ModelHandle))                                                                      \
  X(CreateOptions, StatusCode, (OptionsHandle*))                                                            \
  X(DestroyOptions, void, (OptionsHandle))                                                                  \
  X(SetOptionsHardwareAccelerators, StatusCode, (OptionsHandle, int))                                       \
  X(CreateOpaqueOptions, StatusCode, (const char*, void*, void (*)(void*), OpaqueOptionsHandle*))           \
  X(DestroyOpaqueOptions, void, (OpaqueOptionsHandle))                                                      \
  X(AddOpaqueOptions, StatusCode, (OptionsHandle, OpaqueOptionsHandle))                                     \
  X(CreateCompiledModel, StatusCode, (EnvironmentHandle, ModelHandle, OptionsHandle, CompiledModelHandle*)) \
  X(DestroyCompiledModel, void, (CompiledModelHandle))                                                      \
  X(GetNumModelSignatures, StatusCode, (ModelHandle, std::size_t*))                                         \
  X(GetModelSignature, StatusCode, (ModelHandle, std::size_t, SignatureHandle*))                            \
  X(GetNumSignatureInputs, StatusCode, (SignatureHandle, std::size_t*))                                     \
  X(GetNumSignatureOutputs, StatusCode, (SignatureHandle, std::size_t*))                                    \
  X(GetSignatureInputName, StatusCode, (SignatureHandle, std::size_t, const char**))                        \
  X(GetSignatureOutputName, StatusCode, (SignatureHandle, std::size_t, const char**))                       \
  X(GetSignatureInputTensorByIndex, StatusCode, (SignatureHandle, std::size_t, TensorHandle*))              \
  X(GetSignatureOutputTensorByIndex, StatusCode, (SignatureHandle, std::size_t, TensorHandle*))             \
  X(GetRankedTensorType, StatusCode, (TensorHandle, RankedTensorType*))                                     \
  X(GetQuantizationTypeId, StatusCode, (TensorHandle, int*))                                                \
  X(GetPerTensorQuantization, StatusCode, (TensorHandle, PerTensorQuantization*))                           \
  X(GetCompiledModelInputBufferRequirements, StatusCode,                                                    \
    (CompiledModelHandle, std::size_t, std::size_t, RequirementsHandle*))                                   \
  X(GetCompiledModelOutputBufferRequirements, StatusCode,                                                   \
    (CompiledModelHandle, std::size_t, std::size_t, RequirementsHandle*))                                   \
  X(GetCompiledModelOutputTensorLayouts, StatusCode,                                                        \
    (CompiledModelHandle, std::size_t, std::size_t, Layout*, bool))                                         \
  X(GetTensorBufferRequirementsBufferSize, StatusCode, (RequirementsHandle, std::size_t*))                  \
  X(CreateManagedTensorBufferFromRequirements, StatusCode,                                                  \
    (EnvironmentHandle, const RankedTensorType*, RequirementsHandle, BufferHandle*))                        \
  X(DestroyTensorBuffer, void, (BufferHandle))                                                              \
  X(LockTensorBuffer, StatusCode, (BufferHandle, void**, int))                                              \
  X(UnlockTensorBuffer, StatusCode, (BufferHandle))                                                         \
  X(RunCompiledModel, StatusCode,                                                                           \
    (CompiledModelHandle, std::size_t, std::size_t, BufferHandle*, std::size_t, BufferHandle*))             \
  X(CompiledModelGetProfiler, StatusCode, (CompiledModelHandle, ProfilerHandle*))                           \
  X(StartProfiler, StatusCode, (ProfilerHandle))                                                            \
  X(StopProfiler, StatusCode, (ProfilerHandle))                                                             \
  X(ResetProfiler, StatusCode, (ProfilerHandle))                                                            \
  X(GetNumProfilerEvents, StatusCode, (ProfilerHandle, int*))                                               \
  X(GetProfilerEvents, StatusCode, (ProfilerHandle, int, ProfiledEvent*))

// The functions as found in the library.
struct CApi {
#define ASSAY_LITERT_MEMBER(name, result, parameters) result(*name) parameters = nullptr;
  ASSAY_LITERT_FUNCTIONS(ASSAY_LITERT_MEMBER)
#undef ASSAY_LITERT_MEMBER
};

}  // namespace assay::litert
