#include "flow/distill_model.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "flow/pass_block.h"
#include "flow/training_files.h"
#include "gradient/distillation_loss.h"
#include "gradient/operations.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::vector<std::int32_t> tokens_of(const TrainingData& data, const TrainingBatch& batch) {
  std::vector<std::int32_t> tokens;
  for (const std::size_t i : batch.chosen) {
    const auto first = data.tokens.begin() + data.sequences[i].first_row;
    tokens.insert(tokens.end(), first, first + data.sequences[i].num_rows);
  }
  return tokens;
}

// Of products that only teach. Codes that move by gradients passed straight through their rounding are far
// rougher than bfloat16.
Factors learning_factors(const DistillOptions& options) {
  return options.rates.trains_codes() ? Factors::kBrain : Factors::kFloat;
}

// The float model's hidden states before the head, normed, a row for every token: small, so they are computed
// once. Block after block, so that the weights of one at a time stand there as floats. Those of sequences
// held out, which judge, are exact.
Result<Matrix<float>> teacher_states(const LanguageModel& model, const TrainingData& data,
                                     const DistillOptions& options, const KernelContext& kernels,
                                     Progress& progress) {
  const std::array passes{
      BatchPass{cut_batches(data, data.held_out, options.rows_at_once), Factors::kFloat},
      BatchPass{cut_batches(data, data.train, options.rows_at_once), learning_factors(options)}};
  ASSAY_TRY(Matrix<float> states, Forward(model, kernels).embed(data.tokens, data.sequences));
  for (std::int64_t layer = 0; layer < model.config.num_layers; ++layer) {
    ASSAY_RETURN_IF_ERROR(pass_block(model, layer, data, passes, kernels, states.view()));
    progress.update("float model", layer + 1, model.config.num_layers);
  }
  rms_norm(kernels, states.view(), model.final_norm->weight, model.config.norm_epsilon, states.view());
  return states;
}

// A model in training.
class Student {
 public:
  static Result<Student> create(const LanguageModel& original, LanguageModel& quantized,
                                const DistillOptions& options, const KernelContext& kernels) {
    Student student(original, quantized, options, kernels);
    const LatentStart start = options.rates.trains_codes() ? LatentStart::kWeights : LatentStart::kCodes;
    for (std::int64_t layer = 0; layer < quantized.config.num_layers; ++layer) {
      ASSAY_TRY(TrainableBlock block, TrainableBlock::create(original, quantized, layer, start, kernels));
      student.blocks_.push_back(std::move(block));
    }
    return student;
  }

  // Sum over the batch of KL(teacher || student); where `learn`, gradients of `scale` times it are added to
  // what step() uses, and the sum itself may be rough.
  Result<double> loss(const TrainingData& data, const TrainingBatch& batch, const Matrix<float>& teacher,
                      bool learn, float scale) {
    const Factors factors = learn ? learning_factors_ : Factors::kFloat;
    ASSAY_TRY(Matrix<float> hidden, embed(data, batch));
    std::vector<Matrix<float>> inputs;
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      if (learn) inputs.push_back(hidden);
      blocks_[layer].forward(hidden.view(), batch.sequences, factors, tape(layer), hidden.view());
    }
    Matrix<float> normed(hidden.rows(), hidden.cols()), gradient;
    rms_norm(kernels_, hidden.view(), quantized_->final_norm->weight, epsilon(), normed.view());
    if (learn) gradient = Matrix<float>(hidden.rows(), hidden.cols());
    const double sum = distillation_.compute(gather_rows(data, batch, teacher.view()).view(), normed.view(),
                                             factors, scale, gradient.view());
    if (!learn) return sum;
    rms_norm_gradient(hidden.view(), quantized_->final_norm->weight, epsilon(), gradient.view(),
                      gradient.view(), final_gradient_, *kernels_.pool);
    for (std::size_t layer = blocks_.size(); layer-- > 0;) {
      if (!keeps_tapes_)
        blocks_[layer].forward(inputs[layer].view(), batch.sequences, factors, tape(layer), hidden.view());
      blocks_[layer].backward(inputs[layer].view(), batch.sequences, tape(layer), gradient.view(),
                              gradient.view());
    }
    return sum;
  }

  void step(const TrainingRates& rates, std::int64_t step) {
    for (auto& block : blocks_) block.step(rates, step);
    for (std::size_t c = 0; c < final_gradient_.size(); ++c) final_gradient_[c] *= final_start_[c];
    final_adam_.reach(final_factors_.size());
    AdamStep(step, rates.norm).move(final_factors_, final_gradient_, final_adam_.mean, final_adam_.square);
    std::ranges::fill(final_gradient_, 0.0f);
    refresh_final_norm();
  }

  void export_to(LanguageModel& model) const {
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer)
      blocks_[layer].export_to(model.blocks[layer]);
    model.final_norm->weight = quantized_->final_norm->weight;
  }

  std::vector<NamedArray> arrays(const TrainingRates& rates) {
    std::vector<NamedArray> out;
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      auto arrays = arrays_of(blocks_[layer].state(), "block" + std::to_string(layer), rates);
      out.insert(out.end(), std::make_move_iterator(arrays.begin()), std::make_move_iterator(arrays.end()));
    }
    final_adam_.reach(final_factors_.size());
    const auto add = [&](const char* name, std::vector<float>& values) {
      out.push_back({name, DType::kF32, std::as_writable_bytes(std::span(values))});
    };
    add("final_norm", final_factors_);
    add("final_norm.mean", final_adam_.mean);
    add("final_norm.square", final_adam_.square);
    return out;
  }

  void refresh() {
    for (auto& block : blocks_) block.refresh();
    refresh_final_norm();
  }

 private:
  Student(const LanguageModel& original, LanguageModel& quantized, const DistillOptions& options,
          const KernelContext& kernels)
      : quantized_(&quantized),
        kernels_(kernels),
        learning_factors_(learning_factors(options)),
        head_(dequantize(kernels, original.output_head().weight)),
        distillation_({head_.view(), quantized.config.final_softcap}, kernels),
        final_start_(quantized.final_norm->weight),
        final_factors_(final_start_.size(), 1.0f),
        final_gradient_(final_start_.size()) {
    const ModelConfig& config = quantized.config;
    const std::int64_t row_values =
        5 * config.hidden_size + 3 * config.q_dim() + 3 * config.kv_dim() + 3 * config.intermediate_size;
    keeps_tapes_ =
        static_cast<std::uint64_t>(row_values * config.num_layers * options.rows_at_once) * sizeof(float) <=
        options.activation_memory_bytes;
    tapes_.resize(keeps_tapes_ ? static_cast<std::size_t>(config.num_layers) : 1);
  }

  BlockTape& tape(std::size_t layer) { return tapes_[keeps_tapes_ ? layer : 0]; }
  float epsilon() const { return quantized_->config.norm_epsilon; }
  void refresh_final_norm() {
    for (std::size_t c = 0; c < final_start_.size(); ++c)
      quantized_->final_norm->weight[c] = final_start_[c] * final_factors_[c];
  }

  Result<Matrix<float>> embed(const TrainingData& data, const TrainingBatch& batch) {
    return Forward(*quantized_, kernels_).embed(tokens_of(data, batch), batch.sequences);
  }

  LanguageModel* quantized_;
  KernelContext kernels_;
  Factors learning_factors_;
  Matrix<float> head_;
  DistillationLoss distillation_;
  std::vector<TrainableBlock> blocks_;
  std::vector<BlockTape> tapes_;
  bool keeps_tapes_ = true;
  std::vector<float> final_start_, final_factors_, final_gradient_;
  AdamState final_adam_;
};

// What must be known besides the student to go on.
struct Position {
  std::int64_t step = 0;
  double start_kl = 0, best_kl = 0;
};

class Distillation {
 public:
  Distillation(LanguageModel& quantized, const TrainingData& data, const DistillOptions& options,
               const fs::path& folder, Student& student, const Matrix<float>& teacher)
      : quantized_(quantized),
        data_(data),
        options_(options),
        student_(student),
        teacher_(teacher),
        state_path_(folder / "distill-state.safetensors"),
        best_path_(folder / "distill-best.safetensors") {}

  Result<DistillReport> run(Progress& progress) {
    const auto per_epoch = (static_cast<std::int64_t>(data_.train.size()) + options_.sequences_per_step - 1) /
                           options_.sequences_per_step;
    DistillReport report;
    report.steps = per_epoch * options_.epochs;
    best_.final_norm = quantized_.final_norm;
    best_.blocks = quantized_.blocks;
    if (fs::exists(state_path_)) {
      ASSAY_RETURN_IF_ERROR(load());
    } else {
      ASSAY_TRY(position_.start_kl, held_out_kl());
      position_.best_kl = position_.start_kl;
    }
    report.resumed_steps = position_.step;
    while (position_.step < report.steps) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      ASSAY_RETURN_IF_ERROR(learn(report.steps));
      ++position_.step;
      progress.update("distilling", position_.step, report.steps);
      if (position_.step % per_epoch == 0) ASSAY_RETURN_IF_ERROR(judge());
      if (position_.step % options_.steps_between_saves == 0 || position_.step % per_epoch == 0)
        ASSAY_RETURN_IF_ERROR(save());
    }
    quantized_.final_norm = best_.final_norm;
    quantized_.blocks = best_.blocks;
    report.start_kl = position_.start_kl;
    report.kl = position_.best_kl;
    return report;
  }

 private:
  Status learn(std::int64_t steps) {
    const auto chosen = draw_sequences(data_, position_.step, options_.sequences_per_step, options_.seed);
    const std::int64_t rows = make_batch(data_, chosen).num_rows;
    for (const auto& batch : cut_batches(data_, chosen, options_.rows_at_once)) {
      ASSAY_TRY(const double loss,
                student_.loss(data_, batch, teacher_, true, 1.0f / static_cast<float>(rows)));
      static_cast<void>(loss);
    }
    student_.step(options_.rates.times(rate_factor(position_.step, steps)), position_.step + 1);
    return {};
  }

  Result<double> held_out_kl() {
    double sum = 0;
    std::int64_t rows = 0;
    for (const auto& batch : cut_batches(data_, data_.held_out, options_.rows_at_once)) {
      ASSAY_RETURN_IF_ERROR(check_interrupt());
      ASSAY_TRY(const double loss, student_.loss(data_, batch, teacher_, false, 0));
      sum += loss;
      rows += batch.num_rows;
    }
    return sum / static_cast<double>(rows);
  }

  Status judge() {
    ASSAY_TRY(const double kl, held_out_kl());
    if (!(kl < position_.best_kl)) return {};
    position_.best_kl = kl;
    student_.export_to(best_);
    return save_quantized_blocks(best_path_, best_, 0, best_.blocks.size());
  }

  std::vector<NamedArray> arrays() {
    auto out = student_.arrays(options_.rates);
    out.push_back({"step", DType::kI64, std::as_writable_bytes(std::span(&position_.step, 1))});
    out.push_back({"start_kl", DType::kF64, std::as_writable_bytes(std::span(&position_.start_kl, 1))});
    out.push_back({"best_kl", DType::kF64, std::as_writable_bytes(std::span(&position_.best_kl, 1))});
    return out;
  }
  Status save() { return save_arrays(state_path_, arrays()); }
  Status load() {
    ASSAY_RETURN_IF_ERROR(load_arrays(state_path_, arrays()));
    student_.refresh();
    if (position_.best_kl < position_.start_kl)
      ASSAY_RETURN_IF_ERROR(load_quantized_blocks(best_path_, best_, 0, best_.blocks.size()));
    return {};
  }

  LanguageModel& quantized_;
  const TrainingData& data_;
  const DistillOptions& options_;
  Student& student_;
  const Matrix<float>& teacher_;
  fs::path state_path_, best_path_;
  LanguageModel best_;  // blocks and final norm only
  Position position_;
};

}  // namespace

Status check_distillable(const LanguageModel& model) {
  if (model.project_out || model.project_in || !model.final_norm ||
      model.config.family->norm == NormKind::kLayer)
    return Error{ErrorCode::kUnsupported,
                 std::string(model.config.family->model_type) +
                     ": no gradients for its last layers; choose a method that needs none"};
  return {};
}

Result<DistillReport> distill_model(const LanguageModel& original, LanguageModel& quantized,
                                    const TrainingData& data, const DistillOptions& options,
                                    const fs::path& folder, const KernelContext& kernels,
                                    Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  ASSAY_RETURN_IF_ERROR(check_distillable(quantized));
  ASSAY_TRY(Student student, Student::create(original, quantized, options, kernels));
  ASSAY_TRY(const Matrix<float> teacher, teacher_states(original, data, options, kernels, progress));
  ASSAY_TRY(DistillReport report,
            Distillation(quantized, data, options, folder, student, teacher).run(progress));
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace assay
