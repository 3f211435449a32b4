#include "flow/best_method.h"

#include "support/testing.h"

namespace assay {
namespace {

struct Chosen {
  LlmQuantizeOptions options;
  CalibrationOptions calibration;
};

Chosen chosen(int bits, const BestMethod& best) {
  Chosen out;
  out.options.gptq.grid.bits = bits;
  choose_best(best, out.options, out.calibration);
  return out;
}

TEST(BestMethod, SolvesInClosedFormUnlessMoreEffortIsAskedFor) {
  for (const int bits : {2, 3, 4, 8}) {
    const Chosen c = chosen(bits, {});
    EXPECT_TRUE(solves_codes(c.options) && c.options.closed_form.targets && c.options.closed_form.restart)
        << bits;
    EXPECT_FALSE(c.options.tune) << bits;
    EXPECT_EQ(c.calibration.samples, CalibrationOptions{}.samples) << bits;
    EXPECT_FALSE(chosen(bits, {.effort = 0}).options.closed_form.targets) << bits;
  }
}

TEST(BestMethod, TrainsUnaskedOnlyWhereNothingLessHelps) {
  EXPECT_EQ(default_effort(2, true), 2);
  EXPECT_EQ(default_effort(2, false), 1) << "a family without gradients";
  for (const int bits : {3, 4, 8}) EXPECT_EQ(default_effort(bits, true), 1) << bits;
}

TEST(BestMethod, TrainsStepsThatAreNamedAsLongAsEffort2) {
  const Chosen c = chosen(4, {.steps = {"grid", "distill"}});
  EXPECT_EQ(c.calibration.samples * c.calibration.sequence_length, 1 << 19);
}

TEST(BestMethod, TrainsCodesAtTwoBitsAndKeepsThoseSolvedForAtMore) {
  for (const int effort : {2, 3}) {
    const Chosen two = chosen(2, {.effort = effort});
    EXPECT_FALSE(solves_codes(two.options));
    EXPECT_GT(two.options.tune->model->rates.latent, 0);
    for (const int bits : {3, 4, 8}) {
      const Chosen more = chosen(bits, {.effort = effort});
      EXPECT_TRUE(solves_codes(more.options) && more.options.closed_form.descent) << bits;
      EXPECT_EQ(more.options.tune->model->rates.latent, 0) << bits;
      EXPECT_GT(more.options.tune->model->rates.scale, 0) << bits;
    }
    const auto tokens = [](const Chosen& c) { return c.calibration.samples * c.calibration.sequence_length; };
    EXPECT_EQ(tokens(two), effort == 2 ? 1 << 19 : 1 << 20);
    EXPECT_EQ(tokens(chosen(4, {.effort = effort})), effort == 2 ? 1 << 18 : 1 << 20);
  }
}

TEST(BestMethod, TakesTheStepsAndTheTextThatItIsToldTo) {
  const Chosen c =
      chosen(4, {.effort = 2, .steps = {"grid", "distill"}, .samples = 7, .sequence_length = 128});
  EXPECT_FALSE(solves_codes(c.options));
  EXPECT_FALSE(c.options.tune->blocks);
  EXPECT_EQ(c.calibration.samples, 7);
  EXPECT_EQ(c.calibration.sequence_length, 128);
  EXPECT_EQ(c.options.tune->model->sequences_per_step * c.calibration.sequence_length, 512);
  EXPECT_TRUE(solves_codes(chosen(4, {.steps = {"gptq", "distill"}}).options)) << "GPTQ's codes";
}

TEST(BestMethod, CentresGridsOnlyWhereToldToOrWhereTheyAreFine) {
  EXPECT_FALSE(chosen(4, {}).options.gptq.grid.sym);
  EXPECT_TRUE(chosen(4, {.symmetric = true}).options.gptq.grid.sym);
  EXPECT_TRUE(chosen(8, {}).options.gptq.grid.sym);
}

}  // namespace
}  // namespace assay
