#include "detect/litert/runner.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "base/mapped_file.h"

namespace assay::litert {

// Everything that the runtime made for one model. Destroyed in the order that its parts depend on each other.
struct Runner::State {
  std::shared_ptr<const Library> library;
  std::optional<MappedFile> file;  // the bytes of the model, where they are ours
  ModelHandle model = nullptr;
  OptionsHandle options = nullptr;
  CompiledModelHandle compiled = nullptr;
  std::vector<TensorDescription> inputs, outputs;
  std::vector<BufferHandle> input_buffers, output_buffers;
  ProfilerHandle profiler = nullptr;  // the compiled model's own

  ~State() {
    const CApi& api = library->api();
    for (const auto buffer : input_buffers) api.DestroyTensorBuffer(buffer);
    for (const auto buffer : output_buffers) api.DestroyTensorBuffer(buffer);
    if (compiled != nullptr) api.DestroyCompiledModel(compiled);
    if (options != nullptr) api.DestroyOptions(options);
    if (model != nullptr) api.DestroyModel(model);
  }
};

namespace {

// Options that the library's own C++ helpers pass, and that its C interface does not name: a TOML text under
// a name. A wrong one is ignored in silence; a test counts the threads.
Status add_text_options(const Library& library, OptionsHandle options, const char* name,
                        const std::string& toml) {
  const CApi& api = library.api();
  char* payload = strdup(toml.c_str());
  OpaqueOptionsHandle opaque = nullptr;
  StatusCode code = api.CreateOpaqueOptions(
      name, payload, [](void* text) { std::free(text); }, &opaque);
  if (code != kOk) {
    std::free(payload);
    return library.error(std::string("options ") + name, code);
  }
  code = api.AddOpaqueOptions(options, opaque);
  if (code != kOk) {
    api.DestroyOpaqueOptions(opaque);
    return library.error(std::string("options ") + name, code);
  }
  return {};
}

Result<ElementType> known_type(int code, const std::string& name) {
  for (const auto type :
       {ElementType::kFloat32, ElementType::kInt32, ElementType::kUint8, ElementType::kInt64,
        ElementType::kBool, ElementType::kInt16, ElementType::kInt8, ElementType::kFloat16}) {
    if (static_cast<int>(type) == code) return type;
  }
  return Error{ErrorCode::kUnsupported,
               "tensor " + name + " has element type " + std::to_string(code) +
                   " of TensorFlow Lite, expected a float, integer or bool of up to 64 bits"};
}

// `layout`: the shape where it is known better than from the file.
Result<TensorDescription> describe(const Library& library, TensorHandle tensor, const char* name,
                                   const std::optional<Layout>& layout, RankedTensorType* type) {
  const CApi& api = library.api();
  TensorDescription description;
  description.name = name != nullptr ? name : "";
  if (const StatusCode code = api.GetRankedTensorType(tensor, type); code != kOk)
    return library.error("type of tensor " + description.name, code);
  if (layout) type->layout = *layout;
  ASSAY_TRY(description.type, known_type(type->element_type, description.name));
  if (type->layout.rank > kMaxRank) {
    return Error{ErrorCode::kUnsupported, "tensor " + description.name + " has " +
                                              std::to_string(type->layout.rank) +
                                              " dimensions, expected up to 8"};
  }
  for (unsigned i = 0; i < type->layout.rank; ++i) {
    const std::int32_t dimension = type->layout.dimensions[i];
    if (dimension < 1) {
      return Error{ErrorCode::kUnsupported, "tensor " + description.name + " has dimension " +
                                                std::to_string(i) + " of " + std::to_string(dimension) +
                                                ", expected a fixed size of at least 1"};
    }
    description.shape.push_back(dimension);
  }
  int quantization = kQuantizationNone;
  PerTensorQuantization per_tensor{};
  if (api.GetQuantizationTypeId(tensor, &quantization) == kOk && quantization == kQuantizationPerTensor &&
      api.GetPerTensorQuantization(tensor, &per_tensor) == kOk) {
    description.quantization = Quantization{per_tensor.scale, per_tensor.zero_point};
  }
  return description;
}

// What differs between the two sides of a model.
struct Side {
  const char* word;
  decltype(CApi::GetNumSignatureInputs) count;
  decltype(CApi::GetSignatureInputName) name;
  decltype(CApi::GetSignatureInputTensorByIndex) tensor;
  decltype(CApi::GetCompiledModelInputBufferRequirements) requirements;
};

// Shapes of outputs as the operators' preparation found them: files may leave them open
// (TFLite_Detection_PostProcess does). An output whose shape only running can tell comes out without
// dimensions, and the runtime would write past the memory set aside for it; so those without dimensions are
// refused, scalars among them.
Result<std::vector<Layout>> output_layouts(const Library& library, SignatureHandle signature,
                                           CompiledModelHandle compiled) {
  std::size_t count = 0;
  StatusCode code = library.api().GetNumSignatureOutputs(signature, &count);
  std::vector<Layout> layouts(count);
  if (code == kOk)
    code = library.api().GetCompiledModelOutputTensorLayouts(compiled, 0, count, layouts.data(), true);
  if (code != kOk) return library.error("shapes of the outputs", code);
  for (std::size_t i = 0; i < count; ++i) {
    if (layouts[i].rank == 0) {
      return Error{
          ErrorCode::kUnsupported,
          "output " + std::to_string(i) + " has no dimensions before the model runs, expected a fixed shape"};
    }
  }
  return layouts;
}

// `layouts`: one per tensor, or none where the file's shapes hold.
Status prepare_side(const Library& library, SignatureHandle signature, CompiledModelHandle compiled,
                    const Side& side, std::span<const Layout> layouts,
                    std::vector<TensorDescription>* descriptions, std::vector<BufferHandle>* buffers) {
  const CApi& api = library.api();
  std::size_t count = 0;
  if (const StatusCode code = side.count(signature, &count); code != kOk)
    return library.error(side.word, code);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string what = std::string(side.word) + " " + std::to_string(i);
    const char* name = nullptr;
    TensorHandle tensor = nullptr;
    RequirementsHandle requirements = nullptr;
    StatusCode code = side.name(signature, i, &name);
    if (code == kOk) code = side.tensor(signature, i, &tensor);
    if (code == kOk) code = side.requirements(compiled, 0, i, &requirements);
    if (code != kOk) return library.error(what, code);
    RankedTensorType type{};
    auto description =
        describe(library, tensor, name, layouts.empty() ? std::nullopt : std::optional(layouts[i]), &type);
    if (!description) return description.error().with_context(what);
    std::size_t size = 0;
    BufferHandle buffer = nullptr;
    code = api.GetTensorBufferRequirementsBufferSize(requirements, &size);
    if (code == kOk && size < description->num_bytes()) {
      return Error{ErrorCode::kUnsupported, what + ": the runtime sets aside " + std::to_string(size) +
                                                " bytes for " + description->name + ", expected " +
                                                std::to_string(description->num_bytes())};
    }
    if (code == kOk)
      code =
          api.CreateManagedTensorBufferFromRequirements(library.environment(), &type, requirements, &buffer);
    if (code != kOk) return library.error(what, code);
    buffers->push_back(buffer);
    descriptions->push_back(*std::move(description));
  }
  return {};
}

Status wrong_size(const char* side, const TensorDescription& tensor, std::size_t size) {
  return Error{ErrorCode::kInvalidArgument, std::string(side) + " " + tensor.name + ": " +
                                                std::to_string(size) + " bytes, expected " +
                                                std::to_string(tensor.num_bytes())};
}

}  // namespace

const char* to_string(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "float32";
    case ElementType::kInt32:
      return "int32";
    case ElementType::kUint8:
      return "uint8";
    case ElementType::kInt64:
      return "int64";
    case ElementType::kBool:
      return "bool";
    case ElementType::kInt16:
      return "int16";
    case ElementType::kInt8:
      return "int8";
    case ElementType::kFloat16:
      return "float16";
  }
  return "?";
}

std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kInt64:
      return 8;
    case ElementType::kFloat32:
    case ElementType::kInt32:
      return 4;
    case ElementType::kInt16:
    case ElementType::kFloat16:
      return 2;
    default:
      return 1;
  }
}

std::size_t TensorDescription::num_bytes() const {
  std::uint64_t bytes = element_bytes(type);
  for (const auto dimension : shape) {
    // Where it does not fit, no buffer of the runtime is that large, and the comparison with it fails.
    if (!checked_multiply(bytes, static_cast<std::uint64_t>(dimension), &bytes))
      return std::numeric_limits<std::size_t>::max();
  }
  return bytes;
}

Runner::Runner(std::unique_ptr<State> state) : state_(std::move(state)) {}
Runner::Runner(Runner&&) noexcept = default;
Runner& Runner::operator=(Runner&&) noexcept = default;
Runner::~Runner() = default;

Result<Runner> Runner::from_file(std::shared_ptr<const Library> library, const std::filesystem::path& path,
                                 const RunnerOptions& options) {
  ASSAY_TRY(MappedFile file, MappedFile::open(path));
  auto runner = from_bytes(std::move(library), file.bytes(), options);
  if (!runner) return runner.error().with_context(path.string());
  runner->state_->file = std::move(file);
  return runner;
}

Result<Runner> Runner::from_bytes(std::shared_ptr<const Library> library, ByteView model,
                                  const RunnerOptions& options) {
  if (options.threads < 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "threads is " + std::to_string(options.threads) + ", expected at least 1"};
  }
  auto state = std::make_unique<State>();
  state->library = std::move(library);
  const Library& runtime = *state->library;
  const CApi& api = runtime.api();
  StatusCode code =
      api.CreateModelFromBuffer(runtime.environment(), model.data(), model.size(), &state->model);
  if (code != kOk) return runtime.error("the model cannot be read", code);
  code = api.CreateOptions(&state->options);
  if (code == kOk) code = api.SetOptionsHardwareAccelerators(state->options, kAcceleratorCpu);
  if (code != kOk) return runtime.error("options", code);
  const std::string toml = std::string("kernel_mode = \"") + (options.xnnpack ? "delegate" : "builtin") +
                           "\"\nnum_threads = " + std::to_string(options.threads) + "\n";
  ASSAY_RETURN_IF_ERROR(add_text_options(runtime, state->options, "xnnpack", toml));
  if (options.profile) {
    ASSAY_RETURN_IF_ERROR(
        add_text_options(runtime, state->options, "runtime_options_string", "enable_profiling = true\n"));
  }
  code = api.CreateCompiledModel(runtime.environment(), state->model, state->options, &state->compiled);
  if (code != kOk)
    return runtime.error("the model cannot be prepared (an operator that the runtime lacks?)", code);
  if (options.profile) {
    code = api.CompiledModelGetProfiler(state->compiled, &state->profiler);
    if (code != kOk || state->profiler == nullptr) return runtime.error("the profiler", code);
  }
  SignatureHandle signature = nullptr;
  code = api.GetModelSignature(state->model, 0, &signature);
  if (code != kOk) return runtime.error("the model's first signature", code);
  ASSAY_TRY(const auto layouts, output_layouts(runtime, signature, state->compiled));
  ASSAY_RETURN_IF_ERROR(
      prepare_side(runtime, signature, state->compiled,
                   {"input", api.GetNumSignatureInputs, api.GetSignatureInputName,
                    api.GetSignatureInputTensorByIndex, api.GetCompiledModelInputBufferRequirements},
                   {}, &state->inputs, &state->input_buffers));
  ASSAY_RETURN_IF_ERROR(
      prepare_side(runtime, signature, state->compiled,
                   {"output", api.GetNumSignatureOutputs, api.GetSignatureOutputName,
                    api.GetSignatureOutputTensorByIndex, api.GetCompiledModelOutputBufferRequirements},
                   layouts, &state->outputs, &state->output_buffers));
  return Runner(std::move(state));
}

std::span<const TensorDescription> Runner::inputs() const { return state_->inputs; }
std::span<const TensorDescription> Runner::outputs() const { return state_->outputs; }

Status Runner::set_input(std::size_t index, ByteView data) {
  ASSAY_CHECK(index < state_->inputs.size());
  const TensorDescription& tensor = state_->inputs[index];
  if (data.size() != tensor.num_bytes()) return wrong_size("input", tensor, data.size());
  const CApi& api = state_->library->api();
  void* memory = nullptr;
  StatusCode code = api.LockTensorBuffer(state_->input_buffers[index], &memory, kLockWrite);
  if (code != kOk) return state_->library->error("input " + tensor.name, code);
  std::memcpy(memory, data.data(), data.size());
  code = api.UnlockTensorBuffer(state_->input_buffers[index]);
  if (code != kOk) return state_->library->error("input " + tensor.name, code);
  return {};
}

Status Runner::invoke() {
  State& state = *state_;
  const StatusCode code = state.library->api().RunCompiledModel(
      state.compiled, 0, state.input_buffers.size(), state.input_buffers.data(), state.output_buffers.size(),
      state.output_buffers.data());
  if (code != kOk) return state.library->error("running the model", code);
  return {};
}

Result<std::vector<KernelTime>> Runner::profile() {
  const CApi& api = state_->library->api();
  const ProfilerHandle profiler = state_->profiler;
  if (profiler == nullptr) return Error{ErrorCode::kInvalidArgument, "the runner was made without profiling"};
  StatusCode code = api.ResetProfiler(profiler);
  if (code == kOk) code = api.StartProfiler(profiler);
  if (code != kOk) return state_->library->error("starting the profiler", code);
  const Status ran = invoke();
  code = api.StopProfiler(profiler);
  ASSAY_RETURN_IF_ERROR(ran);
  int count = 0;
  if (code == kOk) code = api.GetNumProfilerEvents(profiler, &count);
  std::vector<ProfiledEvent> events(static_cast<std::size_t>(std::max(count, 0)));
  if (code == kOk && count > 0) code = api.GetProfilerEvents(profiler, count, events.data());
  if (code != kOk) return state_->library->error("the profiler's events", code);
  std::vector<KernelTime> kernels;
  for (const ProfiledEvent& event : events) {
    const std::string name = event.tag != nullptr ? event.tag : "";
    const double seconds = 1e-6 * static_cast<double>(event.elapsed_us);
    if (event.type == kEventDelegateKernel) kernels.push_back({name, std::nullopt, seconds});
    // XNNPACK's own nodes stand for the operators that it took.
    const bool delegate = name.find("XNNPack") != std::string::npos;
    if (event.type == kEventOperator && !delegate)
      kernels.push_back({name, static_cast<std::size_t>(event.node), seconds});
  }
  return kernels;
}

Status Runner::read_output(std::size_t index, std::span<std::byte> data) {
  ASSAY_CHECK(index < state_->outputs.size());
  const TensorDescription& tensor = state_->outputs[index];
  if (data.size() != tensor.num_bytes()) return wrong_size("output", tensor, data.size());
  return visit_output(index, [&](ByteView bytes) { std::memcpy(data.data(), bytes.data(), bytes.size()); });
}

Status Runner::visit_output(std::size_t index, const std::function<void(ByteView)>& visit) {
  ASSAY_CHECK(index < state_->outputs.size());
  const TensorDescription& tensor = state_->outputs[index];
  const CApi& api = state_->library->api();
  void* memory = nullptr;
  StatusCode code = api.LockTensorBuffer(state_->output_buffers[index], &memory, kLockRead);
  if (code != kOk) return state_->library->error("output " + tensor.name, code);
  visit({static_cast<const std::byte*>(memory), tensor.num_bytes()});
  code = api.UnlockTensorBuffer(state_->output_buffers[index]);
  if (code != kOk) return state_->library->error("output " + tensor.name, code);
  return {};
}

Result<std::vector<std::vector<std::byte>>> Runner::run(std::span<const ByteView> inputs) {
  if (inputs.size() != state_->inputs.size()) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(inputs.size()) + " inputs, expected " +
                                                  std::to_string(state_->inputs.size())};
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) ASSAY_RETURN_IF_ERROR(set_input(i, inputs[i]));
  ASSAY_RETURN_IF_ERROR(invoke());
  std::vector<std::vector<std::byte>> outputs;
  for (std::size_t i = 0; i < state_->outputs.size(); ++i) {
    outputs.emplace_back(state_->outputs[i].num_bytes());
    ASSAY_RETURN_IF_ERROR(read_output(i, outputs.back()));
  }
  return outputs;
}

}  // namespace assay::litert
