// Where the time of a forward pass goes, by kind of operation.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace assay {

// In the order of a forward pass.
enum class Operation : std::uint8_t {
  kEmbedding,  // rows of tokens and positions, and the projection of them where a model has one
  kNorms,      // of the residual stream and of heads
  kQkv,        // products, and the splitting of what one matrix gives
  kRope,       // angles and rotation
  kAttention,  // keys and values into the cache, scores, softmax, sums
  kOutput,     // O
  kGateUp,     // Gate and Up, or Up alone
  kActivation,
  kDown,
  kResidual,  // the sums of the residual stream
  kHead,      // projection, product with the vocabulary, soft-cap
};
inline constexpr std::size_t kNumOperations = 11;
// "embedding", "norms", "qkv", "rope", "attention", "output", "gate_up", "activation", "down", "residual",
// "head".
std::string_view name(Operation operation);

// What one kind of operation did. Bytes are those of weights as they are stored (model_size) and of keys and
// values, each matrix once per call, whatever the caches hold.
struct OperationTotals {
  double seconds = 0;
  std::uint64_t calls = 0;  // linear layers, norms, ...: what a kernel was called for
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_bytes = 0;       // read by attention
  std::uint64_t multiply_adds = 0;  // of products with weights and of attention
};

// Sums up operations of the passes of one Forward. Time inside of nested operations counts for the inner one
// only, so all seconds together are at most those of the passes. Not thread safe.
class OperationRecorder {
 public:
  const OperationTotals& of(Operation operation) const {
    return totals_[static_cast<std::size_t>(operation)];
  }

 private:
  friend class OperationScope;
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kNone = kNumOperations;
  // Gives the time since the last switch to what ran, and goes on with `next`. Returns what ran.
  std::size_t switch_to(std::size_t next) {
    const auto now = Clock::now();
    totals_[running_].seconds += std::chrono::duration<double>(now - since_).count();
    since_ = now;
    return std::exchange(running_, next);
  }

  std::array<OperationTotals, kNumOperations + 1> totals_;  // the last: between operations
  std::size_t running_ = kNone;
  Clock::time_point since_ = Clock::now();
};

// From its construction to its end an operation runs. Does nothing without a recorder.
class OperationScope {
 public:
  OperationScope(OperationRecorder* recorder, Operation operation)
      : recorder_(recorder), operation_(static_cast<std::size_t>(operation)) {
    if (recorder_ != nullptr) outer_ = recorder_->switch_to(operation_);
  }
  ~OperationScope() {
    if (recorder_ != nullptr) recorder_->switch_to(outer_);
  }
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;

  // One call that reads and multiplies so much.
  void count(std::uint64_t weight_bytes, std::uint64_t kv_bytes, std::uint64_t multiply_adds) {
    if (recorder_ == nullptr) return;
    OperationTotals& totals = recorder_->totals_[operation_];
    ++totals.calls;
    totals.weight_bytes += weight_bytes;
    totals.kv_bytes += kv_bytes;
    totals.multiply_adds += multiply_adds;
  }

 private:
  OperationRecorder* recorder_;
  std::size_t operation_;
  std::size_t outer_ = 0;
};

}  // namespace assay
