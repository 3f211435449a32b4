#include "flow/pass_block.h"

#include <numeric>

#include "base/interrupt.h"

namespace assay {

Status pass_block(const LanguageModel& model, std::int64_t layer, const TrainingData& data,
                  std::span<const BatchPass> passes, const KernelContext& kernels, MatrixView<float> stream) {
  ASSAY_TRY(BlockGradient block, BlockGradient::create(model, layer, kernels));
  const BlockParameters weights = block_parameters(model.blocks[static_cast<std::size_t>(layer)], kernels);
  BlockTape tape;
  for (const auto& pass : passes) {
    for (const auto& batch : pass.batches) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      Matrix<float> rows = gather_rows(data, batch, stream);
      block.forward(weights, rows.view(), batch.sequences, pass.factors, tape, rows.view());
      scatter_rows(data, batch, rows.view(), stream);
    }
  }
  return {};
}

BatchPass pass_of_all(const TrainingData& data) {
  std::vector<std::size_t> all(data.sequences.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return {cut_batches(data, all, kRowsOfPass), Factors::kFloat};
}

}  // namespace assay
