#include "engine/forward.h"

#include <cmath>
#include <cstring>
#include <string>

#include "engine/load.h"
#include "formats/safetensors/safetensors.h"
#include "support/testing.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

template <typename T>
std::vector<T> values(const SafetensorsFile& file, const std::string& name) {
  const TensorView* tensor = file.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  std::vector<T> out(tensor->bytes.size() / sizeof(T));
  std::memcpy(out.data(), tensor->bytes.data(), tensor->bytes.size());
  return out;
}

// Folders of transformers and of GPTQModel: "families/gpt2", "gptq/llama-int4-g32-sym".
std::vector<std::string> checkpoint_cases() {
  std::vector<std::string> names;
  for (const std::string source : {"families", "gptq"}) {
    for (const auto& entry : fs::directory_iterator(golden(source))) {
      if (entry.is_directory()) names.push_back(source + "/" + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The largest |got - exact| that two correct float32 computations of these logits may show. transformers' own float32
// result differs from the float64 one by `reference_error`: an observed sample of the rounding of one order of summation.
// Another order draws from the same distribution; over the V * T logits compared its maximum stays within eight times the
// reference's maximum (both are maxima over the same number of draws; rounding errors are near Gaussian, and the factor
// covers that vectorized sums keep fewer or more partial sums). A wrong formula shows up four orders above.
double logit_bound(double reference_error) { return 8 * reference_error; }

// True when every value is within `bound` of its reference; NaN never is.
bool all_within(std::span<const float> got, std::span<const double> exact, double bound) {
  if (got.size() != exact.size()) return false;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(static_cast<double>(got[i]) - exact[i]) <= bound)) return false;
  }
  return true;
}

TEST(AllWithin, RejectsNanZeroASignFlipAndOneStepTooFar) {
  const std::vector<double> exact{1.0, -2.0};
  EXPECT_TRUE(all_within(std::vector<float>{1.0f, -2.0f}, exact, 1e-6));
  EXPECT_FALSE(all_within(std::vector<float>{NAN, -2.0f}, exact, 1e-6));
  EXPECT_FALSE(all_within(std::vector<float>{0.0f, -2.0f}, exact, 1e-6));
  EXPECT_FALSE(all_within(std::vector<float>{1.0f, 2.0f}, exact, 1e-6));
  EXPECT_FALSE(all_within(std::vector<float>{1.00001f, -2.0f}, exact, 1e-6));
}

// Logits of a model for two sequences computed in one batch, one after the other.
std::vector<float> batch_logits(const LanguageModel& model, const KernelTable& table, std::span<const std::int32_t> first,
                                std::span<const std::int32_t> second) {
  ThreadPool pool(2);
  std::vector<std::int32_t> tokens(first.begin(), first.end());
  tokens.insert(tokens.end(), second.begin(), second.end());
  const auto n0 = static_cast<std::int64_t>(first.size()), n1 = static_cast<std::int64_t>(second.size());
  const SequenceRows sequences[] = {{0, n0, nullptr}, {n0, n1, nullptr}};
  Forward forward(model, {&table, &pool});
  auto hidden = forward.hidden_states(tokens, sequences);
  EXPECT_THAT(hidden, IsOk());
  const Matrix<float> logits = forward.logits(hidden->view());
  return {logits.values().begin(), logits.values().end()};
}

double largest_difference(const std::vector<float>& single, const std::vector<double>& exact) {
  double largest = 0;
  for (std::size_t i = 0; i < single.size(); ++i) largest = std::max(largest, std::abs(single[i] - exact[i]));
  return largest;
}

class EveryCheckpoint : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  void SetUp() override {
    table_ = runnable_kernels(detect_cpu_features())[static_cast<std::size_t>(std::get<1>(GetParam()))];
    const fs::path folder = golden(std::get<0>(GetParam()));
    auto loaded = load_model(folder);
    ASSERT_THAT(loaded, IsOk());
    model_ = std::move(*loaded);
    auto file = MappedFile::open(folder / "golden.safetensors");
    ASSERT_THAT(file, IsOk());
    file_.emplace(std::move(*file));
    auto parsed = parse_safetensors(file_->bytes());
    ASSERT_THAT(parsed, IsOk());
    golden_ = std::move(*parsed);
  }

  double reference_error(const std::string& index) const {
    return largest_difference(values<float>(golden_, "logits_" + index), values<double>(golden_, "logits64_" + index));
  }

  ThreadPool pool_{2};
  const KernelTable* table_ = nullptr;
  LanguageModel model_;
  std::optional<MappedFile> file_;
  SafetensorsFile golden_;
};

TEST_P(EveryCheckpoint, GivesTransformersLogitsForTwoSequencesInOneBatch) {
  const auto first = values<std::int32_t>(golden_, "ids_0"), second = values<std::int32_t>(golden_, "ids_1");
  const std::vector<float> logits = batch_logits(model_, *table_, first, second);
  const std::size_t split = first.size() * static_cast<std::size_t>(model_.config.vocab_size);
  EXPECT_TRUE(all_within(std::span(logits).first(split), values<double>(golden_, "logits64_0"), logit_bound(reference_error("0"))));
  EXPECT_TRUE(all_within(std::span(logits).subspan(split), values<double>(golden_, "logits64_1"), logit_bound(reference_error("1"))));
}

TEST_P(EveryCheckpoint, GivesSomeRowsInTheBitsOfAll) {
  Forward forward(model_, {table_, &pool_});
  const std::vector<std::int32_t> tokens{3, 1, 4, 1, 5, 9, 2, 6};
  const std::vector<SequenceRows> sequences{{0, 5, nullptr}, {5, 3, nullptr}};
  const auto all = forward.hidden_states(tokens, sequences);
  ASSERT_THAT(all, IsOk());
  for (const std::vector<std::int64_t>& rows : {std::vector<std::int64_t>{4, 7}, {0}, {7}, {6, 6, 1}}) {
    const auto some = forward.hidden_rows(tokens, sequences, rows);
    ASSERT_THAT(some, IsOk());
    ASSERT_EQ(some->rows(), static_cast<std::int64_t>(rows.size()));
    for (std::int64_t i = 0; i < some->rows(); ++i) {
      for (std::int64_t c = 0; c < some->cols(); ++c) ASSERT_EQ(some->at(i, c), all->at(rows[static_cast<std::size_t>(i)], c)) << "row " << i << ", column " << c;
    }
  }
}

TEST_P(EveryCheckpoint, GivesTheSameLogitsTokenByTokenThroughTheCache) {
  const auto ids = values<std::int32_t>(golden_, "ids_0");
  const auto exact = values<double>(golden_, "logits64_0");
  Forward forward(model_, {table_, &pool_});
  KvCache cache(model_.config, Activations::kFloat);
  const std::size_t prompt = 11;
  const auto vocabulary = static_cast<std::size_t>(model_.config.vocab_size);
  for (std::size_t t = prompt; t <= ids.size(); ++t) {
    const auto chunk = t == prompt ? std::span(ids).first(prompt) : std::span(ids).subspan(t - 1, 1);
    auto logits = forward.next_logits(chunk, cache);
    ASSERT_THAT(logits, IsOk());
    // A sequence that grows past LongRoPE's original length changes its frequencies; cached keys keep the earlier ones.
    if (!model_.config.rope.long_inverse_frequencies.empty()) continue;
    ASSERT_TRUE(all_within(logits->values(), std::span(exact).subspan((t - 1) * vocabulary, vocabulary), logit_bound(reference_error("0")))) << t;
  }
}

double root_mean_square(std::span<const double> all) {
  double sum = 0;
  for (const double value : all) sum += value * value;
  return std::sqrt(sum / static_cast<double>(all.size()));
}

// The kernels' tests hold products to their bounds. Here a wrong order, scale or zero point of repacked weights would give
// logits that have nothing to do with these, which differ by 1.4 times their size; rounding to 8 bits moves those of such
// narrow models by up to a fifth.
TEST_P(EveryCheckpoint, StaysNearThemWithRoundedInputAndRepackedWeights) {
  if (!model_.config.rope.long_inverse_frequencies.empty()) GTEST_SKIP() << "depends on where the prompt ends";
  ASSERT_TRUE(pack_weights(model_, pool_).has_value());
  const auto ids = values<std::int32_t>(golden_, "ids_0");
  const auto exact = values<double>(golden_, "logits64_0");
  Forward forward(model_, {table_, &pool_, Activations::kRounded});
  KvCache cache(model_.config, Activations::kRounded);
  const auto vocabulary = static_cast<std::size_t>(model_.config.vocab_size);
  for (std::size_t t = 11; t <= ids.size(); ++t) {
    const auto chunk = t == 11 ? std::span(ids).first(11) : std::span(ids).subspan(t - 1, 1);
    auto logits = forward.next_logits(chunk, cache);
    ASSERT_THAT(logits, IsOk());
    const auto wanted = std::span(exact).subspan((t - 1) * vocabulary, vocabulary);
    std::vector<double> difference;
    for (std::size_t i = 0; i < vocabulary; ++i)
      difference.push_back(static_cast<double>(logits->values()[i]) - wanted[i]);
    EXPECT_LT(root_mean_square(difference), 0.25 * root_mean_square(wanted)) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryCheckpoint, testing::Combine(testing::ValuesIn(checkpoint_cases()), testing::Range(0, static_cast<int>(runnable_kernels(detect_cpu_features()).size()))), [](const auto& test) {
  std::string name = std::get<0>(test.param) + "_table" + std::to_string(std::get<1>(test.param));
  std::replace_if(name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
});

class EveryGguf : public testing::TestWithParam<std::string> {};

TEST_P(EveryGguf, GivesTheLogitsOfTheFolderThatItWasConvertedFrom) {
  const std::string& name = GetParam();
  auto model = load_model(golden("gguf/" + name + ".gguf"));
  ASSERT_THAT(model, IsOk());
  fs::path source = golden("gguf/" + name + ".golden.safetensors");
  if (!fs::exists(source)) source = golden("families/" + name + "/golden.safetensors");
  auto file = MappedFile::open(source);
  ASSERT_THAT(file, IsOk());
  auto expected = parse_safetensors(file->bytes());
  ASSERT_THAT(expected, IsOk());
  const auto first = values<std::int32_t>(*expected, "ids_0"), second = values<std::int32_t>(*expected, "ids_1");
  const auto logits = batch_logits(*model, *runnable_kernels({})[0], first, second);
  const std::size_t split = first.size() * static_cast<std::size_t>(model->config.vocab_size);
  const auto exact0 = values<double>(*expected, "logits64_0"), exact1 = values<double>(*expected, "logits64_1");
  const double error0 = largest_difference(values<float>(*expected, "logits_0"), exact0);
  const double error1 = largest_difference(values<float>(*expected, "logits_1"), exact1);
  EXPECT_TRUE(all_within(std::span(logits).first(split), exact0, logit_bound(error0))) << "reference error " << error0;
  EXPECT_TRUE(all_within(std::span(logits).subspan(split), exact1, logit_bound(error1))) << "reference error " << error1;
}

std::vector<std::string> gguf_cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(golden("gguf"))) {
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryGguf, testing::ValuesIn(gguf_cases()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace assay
