#include "flow/study/rough_sizes.h"

#include "support/testing.h"

namespace assay {
namespace {

class RoughSizes : public testing::Test {
 protected:
  RoughSizes() { setenv("ASSAY_MODELS_DIR", folder_.path().c_str(), 1); }
  ~RoughSizes() override { unsetenv("ASSAY_MODELS_DIR"); }
  TempDir folder_;
};

TEST_F(RoughSizes, OfModelsAreRightWithinATwofold) {
  EXPECT_NEAR(*rough_parameters("smollm2-135m"), 135e6, 30e6);
  EXPECT_NEAR(*rough_parameters("hf:HuggingFaceTB/SmolLM2-360M"), 362e6, 5e6);
  const double gpt2 = *rough_parameters("hf:openai-community/gpt2");  // its weights are float32
  EXPECT_GT(gpt2, 124e6);
  EXPECT_LT(gpt2, 2.3 * 124e6);
}

TEST_F(RoughSizes, AreNotInvented) {
  EXPECT_EQ(rough_parameters("hf:nobody/nothing"), std::nullopt);
  EXPECT_EQ(rough_parameters("no-such-model"), std::nullopt);
  EXPECT_EQ(rough_detector_bytes("no-such-model"), std::nullopt);
}

TEST_F(RoughSizes, OfDataAreThoseOfTheCatalogue) {
  EXPECT_EQ(rough_pictures("coco-val2017"), 5000);
  EXPECT_EQ(rough_pictures("faces"), 25);
  EXPECT_NEAR(static_cast<double>(rough_passages("lambada")), 5153, 20);
}

}  // namespace
}  // namespace assay
