#include "gradient/gradient_testing.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace assay {

Matrix<float> normal_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed, float scale) {
  Rng rng(seed);
  Matrix<float> m(rows, cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) m.data()[i] = scale * static_cast<float>(rng.normal());
  return m;
}

KernelTable table_with_products(int cheap_brain_terms) {
  KernelTable table = select_kernels(detect_cpu_features());
  use_brain_blocks_reference(table);
  table.cheap_brain_terms = cheap_brain_terms;
  return table;
}

double central_difference(double& value, const std::function<double()>& f) {
  const double at = value, h = 0x1p-17 * std::max(1.0, std::abs(at));
  value = at + h;
  const double above = f();
  value = at - h;
  const double below = f();
  value = at;
  return (above - below) / (2 * h);
}

DoubleMatrix to_double(const Matrix<float>& matrix) {
  DoubleMatrix out;
  for (std::int64_t r = 0; r < matrix.rows(); ++r)
    out.emplace_back(matrix.row(r), matrix.row(r) + matrix.cols());
  return out;
}

double weighted_sum(const Matrix<float>& weights, const DoubleMatrix& values) {
  double sum = 0;
  for (std::size_t r = 0; r < values.size(); ++r) {
    for (std::size_t c = 0; c < values[r].size(); ++c)
      sum += weights.at(static_cast<std::int64_t>(r), static_cast<std::int64_t>(c)) * values[r][c];
  }
  return sum;
}

DoubleMatrix reference_attention(const AttentionShape& shape, const DoubleMatrix& q, const DoubleMatrix& k,
                                 const DoubleMatrix& v) {
  const auto dim = static_cast<std::size_t>(shape.head_dim),
             heads = static_cast<std::size_t>(shape.num_heads);
  const std::size_t sharing = heads / static_cast<std::size_t>(shape.num_kv_heads);
  DoubleMatrix out(q.size(), std::vector<double>(heads * dim));
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t own = h * dim, kv = h / sharing * dim;
    for (std::size_t i = 0; i < q.size(); ++i) {
      const std::size_t window = shape.window > 0 ? static_cast<std::size_t>(shape.window) : i + 1;
      const std::size_t first = i + 1 > window ? i + 1 - window : 0;
      std::vector<double> p;
      double sum = 0;
      for (std::size_t j = first; j <= i; ++j) {
        double score = 0;
        for (std::size_t c = 0; c < dim; ++c) score += q[i][own + c] * k[j][kv + c];
        score *= shape.scale;
        if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
        p.push_back(std::exp(score));
        sum += p.back();
      }
      for (std::size_t j = first; j <= i; ++j) {
        for (std::size_t c = 0; c < dim; ++c) out[i][own + c] += p[j - first] / sum * v[j][kv + c];
      }
    }
  }
  return out;
}

double reference_activation(Activation f, double x) {
  switch (f) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kGeluErf:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return 0;
}

ReferenceBlock::ReferenceBlock(const LanguageModel& language_model, std::int64_t block_layer,
                               const BlockParameters& parameters)
    : model(&language_model), layer(block_layer) {
  for (std::size_t i = 0; i < kNumSlots; ++i) linears[i] = to_double(parameters.linears[i]);
  for (std::size_t i = 0; i < kNumNormSlots; ++i)
    norms[i].assign(parameters.norms[i].begin(), parameters.norms[i].end());
}

DoubleMatrix ReferenceBlock::apply(Slot slot, const DoubleMatrix& x) const {
  const DoubleMatrix& w = linears[static_cast<std::size_t>(slot)];
  const auto& bias = model->blocks[static_cast<std::size_t>(layer)].at(slot)->bias;
  DoubleMatrix y(x.size(), std::vector<double>(w.size()));
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t r = 0; r < w.size(); ++r) {
      double sum = bias.empty() ? 0 : bias[r];
      for (std::size_t c = 0; c < w[r].size(); ++c) sum += w[r][c] * x[t][c];
      y[t][r] = sum;
    }
  }
  return y;
}

// Each run of `dim` values of a row by itself; as it is where the block has no such norm.
DoubleMatrix ReferenceBlock::normalize(NormSlot slot, const DoubleMatrix& x, std::size_t dim) const {
  const auto& weight = norms[static_cast<std::size_t>(slot)];
  if (weight.empty()) return x;
  DoubleMatrix y = x;
  for (auto& row : y) {
    for (std::size_t begin = 0; begin < row.size(); begin += dim) {
      double squares = 0;
      for (std::size_t c = 0; c < dim; ++c) squares += row[begin + c] * row[begin + c];
      const double r = 1 / std::sqrt(squares / static_cast<double>(dim) + model->config.norm_epsilon);
      for (std::size_t c = 0; c < dim; ++c) row[begin + c] *= r * weight[c];
    }
  }
  return y;
}

void ReferenceBlock::rotate(DoubleMatrix& heads, std::span<const SequenceRows> sequences) const {
  const ModelConfig& config = model->config;
  const Rope& rope = config.local_rope[static_cast<std::size_t>(layer)] ? config.rope_local : config.rope;
  const auto half = static_cast<std::size_t>(rope.rotary_dim / 2),
             dim = static_cast<std::size_t>(config.head_dim);
  for (const auto& sequence : sequences) {
    for (std::int64_t p = 0; p < sequence.num_rows; ++p) {
      auto& row = heads[static_cast<std::size_t>(sequence.first_row + p)];
      for (std::size_t begin = 0; begin < row.size(); begin += dim) {
        for (std::size_t i = 0; i < half; ++i) {
          // The angle is what the float program takes, since differences of it are none of the gradient's.
          const float angle = static_cast<float>(p) * rope.inverse_frequencies[i];
          const double c = std::cos(static_cast<double>(angle)) * rope.attention_factor,
                       s = std::sin(static_cast<double>(angle)) * rope.attention_factor;
          const double a = row[begin + i], b = row[begin + half + i];
          row[begin + i] = a * c - b * s;
          row[begin + half + i] = b * c + a * s;
        }
      }
    }
  }
}

DoubleMatrix ReferenceBlock::forward(const DoubleMatrix& x, std::span<const SequenceRows> sequences) const {
  const ModelConfig& config = model->config;
  const auto hidden = static_cast<std::size_t>(config.hidden_size),
             dim = static_cast<std::size_t>(config.head_dim);
  const AttentionShape shape{config.num_heads,         config.num_kv_heads,
                             config.head_dim,          config.attention_scale,
                             config.attention_softcap, config.windows[static_cast<std::size_t>(layer)]};
  const DoubleMatrix input = normalize(NormSlot::kAttention, x, hidden);
  DoubleMatrix q = normalize(NormSlot::kQ, apply(Slot::kQ, input), dim),
               k = normalize(NormSlot::kK, apply(Slot::kK, input), dim);
  const DoubleMatrix v = apply(Slot::kV, input);
  rotate(q, sequences);
  rotate(k, sequences);
  DoubleMatrix attended;
  for (const auto& sequence : sequences) {
    const auto part = [&](const DoubleMatrix& m) {
      return DoubleMatrix(m.begin() + sequence.first_row, m.begin() + sequence.first_row + sequence.num_rows);
    };
    for (auto& row : reference_attention(shape, part(q), part(k), part(v)))
      attended.push_back(std::move(row));
  }
  DoubleMatrix middle = normalize(NormSlot::kPostAttention, apply(Slot::kO, attended), hidden);
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t c = 0; c < hidden; ++c) middle[t][c] += x[t][c];
  }
  const DoubleMatrix mlp_input = normalize(NormSlot::kMlp, middle, hidden);
  DoubleMatrix gate = apply(Slot::kGate, mlp_input);
  const DoubleMatrix up = apply(Slot::kUp, mlp_input);
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t c = 0; c < gate[t].size(); ++c)
      gate[t][c] = reference_activation(config.activation, gate[t][c]) * up[t][c];
  }
  DoubleMatrix y = normalize(NormSlot::kPostMlp, apply(Slot::kDown, gate), hidden);
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t c = 0; c < hidden; ++c) y[t][c] += middle[t][c];
  }
  return y;
}

}  // namespace assay
