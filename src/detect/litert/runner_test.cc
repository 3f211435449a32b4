#include "detect/litert/runner.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "detect/litert/self_test.h"
#include "support/testing.h"

namespace assay::litert {
namespace {

using ::testing::ElementsAre;

// The library, or null where ./setup could not fetch it (the test then skips).
std::shared_ptr<const Library> library_or_null() {
  if (!find_library()) return nullptr;
  auto library = Library::open();
  EXPECT_THAT(library, IsOk());
  return library ? *library : nullptr;
}

#define ASSAY_NEED_LITERT(library)        \
  const auto library = library_or_null(); \
  if (!library) GTEST_SKIP() << "no libLiteRt.so; ./setup fetches it"

int num_threads_of_this_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

// As tools/make_litert_goldens.py: the upper 8 bits of splitmix64's numbers, in the element type.
std::vector<std::byte> seeded_input(std::uint64_t seed, const TensorDescription& tensor) {
  const std::size_t count = tensor.num_bytes() / element_bytes(tensor.type);
  std::vector<std::byte> bytes(tensor.num_bytes());
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t z = seed + 0x9E3779B97F4A7C15u * (i + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    const auto value = static_cast<std::uint8_t>((z ^ (z >> 31)) >> 56);
    if (tensor.type == ElementType::kFloat32) {
      const auto real = static_cast<float>(value);
      std::memcpy(bytes.data() + i * sizeof real, &real, sizeof real);
    } else {
      bytes[i] = static_cast<std::byte>(value);
    }
  }
  return bytes;
}

bool processor_has(const std::string& flag) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("flags") || line.starts_with("Features"))
      return (line + " ").find(" " + flag + " ") != std::string::npos;
  }
  return false;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

TEST(Library, IsFoundAndPassesItsSelfTest) {
  ASSAY_NEED_LITERT(library);
  EXPECT_EQ(library->version(), kWantedVersion);
}

TEST(Library, ThatLacksAFunctionIsRefusedByNameAndVersion) {
  // Any shared library that is not LiteRT.
  const std::filesystem::path other = "/proc/self/exe";
  EXPECT_THAT(Library::open(other), FailsWith(ErrorCode::kUnsupported, "/proc/self/exe"));
  TempDir folder;
  std::filesystem::path libc;
  for (const char* place : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"}) {
    if (std::filesystem::exists(place)) libc = place;
  }
  if (libc.empty()) GTEST_SKIP() << "no shared library to try with";
  std::filesystem::copy_file(libc, folder / "libLiteRt.so");
  write_bytes(folder / "libLiteRt.version", "9.9.9\n");
  const auto opened = Library::open(folder / "libLiteRt.so");
  EXPECT_THAT(opened, FailsWith(ErrorCode::kUnsupported, "lacks the function LiteRtCreateEnvironment"));
  EXPECT_THAT(opened, FailsWith(ErrorCode::kUnsupported, "found: 9.9.9, wanted: 2.3.0"));
}

TEST(Library, ThatIsNotThereSaysWhatToDo) {
  EXPECT_THAT(Library::open("/nowhere/libLiteRt.so"), FailsWith(ErrorCode::kNotFound, "./setup"));
}

TEST(Runner, DescribesTheModelsInputsAndOutputs) {
  ASSAY_NEED_LITERT(library);
  const auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {});
  ASSERT_THAT(runner, IsOk());
  ASSERT_EQ(runner->inputs().size(), 1u);
  EXPECT_EQ(runner->inputs()[0].name, "input");
  EXPECT_EQ(runner->inputs()[0].type, ElementType::kFloat32);
  EXPECT_THAT(runner->inputs()[0].shape, ElementsAre(1, 4));
  EXPECT_FALSE(runner->inputs()[0].quantization.has_value());
  EXPECT_EQ(runner->outputs()[0].name, "output");
}

TEST(Runner, RefusesInputsOfAnotherSize) {
  ASSAY_NEED_LITERT(library);
  auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {});
  ASSERT_THAT(runner, IsOk());
  const std::vector<std::byte> short_by_one(15);
  EXPECT_THAT(runner->run({{short_by_one}}), FailsWith(ErrorCode::kInvalidArgument, "15 bytes, expected 16"));
  EXPECT_THAT(runner->run({}), FailsWith(ErrorCode::kInvalidArgument, "0 inputs, expected 1"));
}

TEST(Runner, StartsAsManyThreadsAsAskedFor) {
  ASSAY_NEED_LITERT(library);
  for (const int threads : {1, 2, 4}) {
    const int before = num_threads_of_this_process();
    auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {.threads = threads});
    ASSERT_THAT(runner, IsOk());
    const std::vector<std::byte> input(16);
    ASSERT_THAT(runner->run({{input}}), IsOk());
    EXPECT_EQ(num_threads_of_this_process() - before, threads - 1) << "with " << threads << " threads";
  }
}

TEST(Runner, RefusesLessThanOneThread) {
  ASSAY_NEED_LITERT(library);
  EXPECT_THAT(Runner::from_bytes(library, as_bytes(self_test_model()), {.threads = 0}),
              FailsWith(ErrorCode::kInvalidArgument, "threads is 0"));
}

TEST(Runner, RefusesBytesThatAreNoModel) {
  ASSAY_NEED_LITERT(library);
  const std::string text(64, 'x');
  EXPECT_THAT(Runner::from_bytes(library, as_bytes(text), {}),
              FailsWith(ErrorCode::kUnsupported, "the model cannot be read"));
}

TEST(Runner, ProfilesAnOperatorThatXnnpackTookAsAKernelOfNoOperator) {
  ASSAY_NEED_LITERT(library);
  auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {.profile = true});
  ASSERT_THAT(runner, IsOk());
  const auto kernels = runner->profile();
  ASSERT_THAT(kernels, IsOk());
  ASSERT_EQ(kernels->size(), 1u);
  EXPECT_FALSE(kernels->front().op.has_value());
}

TEST(Runner, ProfilesABuiltInKernelAsItsOperator) {
  ASSAY_NEED_LITERT(library);
  auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {.xnnpack = false, .profile = true});
  ASSERT_THAT(runner, IsOk());
  for (int run = 0; run < 2; ++run) {  // the second tells nothing of the first
    const auto kernels = runner->profile();
    ASSERT_THAT(kernels, IsOk());
    ASSERT_EQ(kernels->size(), 1u);
    EXPECT_EQ(kernels->front().name, "ADD");
    EXPECT_EQ(kernels->front().op, std::optional<std::size_t>(0));
  }
}

TEST(Runner, RefusesToProfileUnlessMadeForIt) {
  ASSAY_NEED_LITERT(library);
  auto runner = Runner::from_bytes(library, as_bytes(self_test_model()), {});
  ASSERT_THAT(runner, IsOk());
  EXPECT_THAT(runner->profile(), FailsWith(ErrorCode::kInvalidArgument, "without profiling"));
}

TEST(Runner, AnswersWhatThePythonInterpreterAnswersInEveryBit) {
  ASSAY_NEED_LITERT(library);
  const auto goldens = nlohmann::json::parse(read_bytes(golden("litert/outputs.json")));
  for (const auto& flag : goldens["isa"]) {
    if (!processor_has(flag)) GTEST_SKIP() << "the goldens were made on a processor with " << flag;
  }
  int compared = 0;
  for (const auto& item : goldens["cases"]) {
    const auto path = shared_data("models/" + item["model"].get<std::string>());
    if (!path) GTEST_SKIP() << "no " << item["model"];
    for (const int threads : {1, 2}) {
      auto runner = Runner::from_file(library, *path, {.threads = threads});
      ASSERT_THAT(runner, IsOk());
      const auto input = seeded_input(item["seed"], runner->inputs()[0]);
      const auto outputs = runner->run({{input}});
      ASSERT_THAT(outputs, IsOk());
      ASSERT_EQ(outputs->size(), item["outputs"].size());
      for (std::size_t i = 0; i < outputs->size(); ++i) {
        const auto& expected = item["outputs"][i];
        const TensorDescription& found = runner->outputs()[i];
        EXPECT_EQ(to_string(found.type), expected["dtype"]);
        EXPECT_EQ(found.shape, expected["shape"].get<std::vector<std::int64_t>>());
        EXPECT_EQ(sha256_hex((*outputs)[i]), expected["sha256"])
            << item["model"] << " output " << i << ", " << threads << " threads";
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace assay::litert
