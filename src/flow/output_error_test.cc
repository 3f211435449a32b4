#include "flow/output_error.h"

#include <cmath>

#include "support/testing.h"

namespace assay {
namespace {

// One output of a box coordinate and a probability per row, one picture.
OutputReference reference() {
  OutputReference made({2});
  made.add({{100, 0.0f, 300, 1.0f, 200, 0.5f}});
  return made;
}

double error_of(std::vector<float> values) {
  const std::vector<std::vector<std::vector<float>>> outputs{{std::move(values)}};
  return reference().error(outputs);
}

TEST(OutputReference, FindsNoErrorInEqualOutputs) {
  EXPECT_EQ(error_of({100, 0.0f, 300, 1.0f, 200, 0.5f}), 0);
}

TEST(OutputReference, MeasuresProbabilitiesApartFromPixels) {
  // Variance of the probabilities 1/6, of the coordinates 20000/3; the mean over both groups.
  EXPECT_NEAR(error_of({100, 0.3f, 300, 1.0f, 200, 0.5f}), 0.5 * (0.09 / 3) / (1.0 / 6), 1e-6);
  EXPECT_NEAR(error_of({130, 0.0f, 300, 1.0f, 200, 0.5f}), 0.5 * (900.0 / 3) / (20000.0 / 3), 1e-6);
}

TEST(OutputReference, MakesTheErrorOfNaNInfinite) {
  EXPECT_TRUE(std::isinf(error_of({100, NAN, 300, 1.0f, 200, 0.5f})));
}

TEST(OutputReference, LeavesOutGroupsThatNeverChange) {
  OutputReference constant({1});
  constant.add({{5, 5, 5}});
  const std::vector<std::vector<std::vector<float>>> outputs{{{5, 6, 5}}};
  EXPECT_EQ(constant.error(outputs), 0);
}

}  // namespace
}  // namespace assay
