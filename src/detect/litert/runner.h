// One .tflite model, ready to run on the processor.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "detect/litert/library.h"

namespace assay::litert {

// The numbers are TensorFlow Lite's own.
enum class ElementType : int {
  kFloat32 = 1,
  kInt32 = 2,
  kUint8 = 3,
  kInt64 = 4,
  kBool = 6,
  kInt16 = 7,
  kInt8 = 9,
  kFloat16 = 10,
};
const char* to_string(ElementType type);  // "float32"
std::size_t element_bytes(ElementType type);

// real = scale * (stored - zero_point)
struct Quantization {
  float scale = 0;
  std::int64_t zero_point = 0;
};

struct TensorDescription {
  std::string name;  // in the signature; of a model without signatures, the tensor's
  ElementType type = ElementType::kFloat32;
  std::vector<std::int64_t> shape;  // every dimension >= 1; empty: a scalar
  std::optional<Quantization> quantization;
  std::size_t num_bytes() const;
};

struct RunnerOptions {
  int threads = 1;       // >= 1, the calling thread included
  bool xnnpack = true;   // false: the built-in kernels, several times slower
  bool profile = false;  // makes profile() possible; takes 70 MB more and a few percent of the time
};

// One kernel of one inference.
struct KernelTime {
  std::string name;  // as the runtime calls it: "CONV_2D", or within XNNPACK "Convolution (NHWC, F32) IGEMM"
  std::optional<std::size_t> op;  // index of the operator in the main subgraph; none within XNNPACK
  double seconds = 0;             // to the microsecond
};

// Runs the first signature of a model. Not thread safe; movable.
class Runner {
 public:
  // The model's bytes must already have been checked (formats/tflite): the runtime trusts their offsets.
  // Errors: kInvalidArgument (threads < 1), kUnsupported (operators that the runtime lacks, shapes that are
  // not fixed, element types outside ElementType), kNotFound and kIo of the file.
  static Result<Runner> from_file(std::shared_ptr<const Library> library, const std::filesystem::path& path,
                                  const RunnerOptions& options);
  // `model` must stay where it is while the runner lives; 16-byte aligned.
  static Result<Runner> from_bytes(std::shared_ptr<const Library> library, ByteView model,
                                   const RunnerOptions& options);

  Runner(Runner&&) noexcept;
  Runner& operator=(Runner&&) noexcept;
  ~Runner();

  std::span<const TensorDescription> inputs() const;
  std::span<const TensorDescription> outputs() const;

  // The three steps of run(), for those who time them or reuse memory. Sizes must be those of the
  // description: kInvalidArgument otherwise. index < the number of inputs or outputs.
  Status set_input(std::size_t index, ByteView data);
  Status invoke();
  // invoke(), telling what ran: the operators that XNNPACK did not take, each by a built-in kernel, and the
  // kernels of XNNPACK, in the order of their end. Errors: kInvalidArgument without RunnerOptions::profile.
  Result<std::vector<KernelTime>> profile();
  Status read_output(std::size_t index, std::span<std::byte> data);
  // The same without a copy: `visit` sees the bytes where they are, which is valid until it returns. Several
  // threads may visit different outputs at the same time.
  Status visit_output(std::size_t index, const std::function<void(ByteView)>& visit);

  // One inference: as many inputs as described, in that order; row-major.
  Result<std::vector<std::vector<std::byte>>> run(std::span<const ByteView> inputs);

 private:
  struct State;
  explicit Runner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace assay::litert
