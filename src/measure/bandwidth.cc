#include "measure/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <new>
#include <span>
#include <vector>

#include "base/elapsed.h"
#include "base/rng.h"
#include "measure/environment.h"
#include "measure/read_kernel.h"
#include "measure/statistics.h"
#include "measure/text_fields.h"

namespace assay::measure {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSmallestArrayBytes = 512ULL << 20;
constexpr std::uint64_t kSmallestPartBytes = 1ULL << 20;
constexpr int kMinRepetitions = 3;
constexpr std::int64_t kWordsPerPage = 4096 / sizeof(std::uint64_t);

// Anonymous memory in large pages where the system has them, so that address translation is not what is
// measured.
class Array {
 public:
  static Result<Array> create(std::uint64_t num_bytes) {
    void* memory = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return Error{ErrorCode::kResourceLimit,
                   "cannot have " + std::to_string(num_bytes) + " bytes of memory to measure its bandwidth"};
    }
    madvise(memory, num_bytes, MADV_HUGEPAGE);
    return Array({static_cast<std::uint64_t*>(memory), num_bytes / sizeof(std::uint64_t)});
  }
  Array(Array&& other) noexcept : words_(other.words_) { other.words_ = {}; }
  Array& operator=(Array&&) = delete;
  ~Array() {
    if (!words_.empty()) munmap(words_.data(), words_.size_bytes());
  }
  std::span<std::uint64_t> words() const { return words_; }

 private:
  explicit Array(std::span<std::uint64_t> words) : words_(words) {}
  std::span<std::uint64_t> words_;
};

std::uint64_t default_array_bytes() {
  return std::max(kSmallestArrayBytes, 4 * read_last_level_cache_bytes().value_or(0));
}

Status check_size(std::uint64_t num_bytes, int num_threads) {
  const std::uint64_t smallest = kSmallestPartBytes * static_cast<std::uint64_t>(num_threads);
  if (num_bytes < smallest) {
    return Error{ErrorCode::kInvalidArgument, "array_bytes is " + std::to_string(num_bytes) +
                                                  "; expected at least " + std::to_string(smallest) +
                                                  " for " + std::to_string(num_threads) + " threads"};
  }
  const auto text = read_text("/proc/meminfo");
  const auto free_bytes = text ? parse_memory_field(*text, "MemAvailable") : std::nullopt;
  if (free_bytes && num_bytes > *free_bytes / 2) {
    return Error{ErrorCode::kResourceLimit, "measuring memory bandwidth takes " + std::to_string(num_bytes) +
                                                " bytes, more than half of the " +
                                                std::to_string(*free_bytes) + " that are free"};
  }
  return {};
}

// Writes every word (a page never written reads as the one shared page of zeros) and returns their sum.
std::uint64_t fill(std::span<std::uint64_t> words, ThreadPool& pool) {
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool.num_threads()), 0);
  pool.parallel_for(static_cast<std::int64_t>(words.size()), kWordsPerPage, [&](WorkRange range) {
    Rng rng(static_cast<std::uint64_t>(range.begin));
    std::uint64_t sum = 0;
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const std::uint64_t word = rng.next();
      words[static_cast<std::size_t>(i)] = word;
      sum += word;
    }
    sums[static_cast<std::size_t>(range.thread)] = sum;
  });
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

std::uint64_t read_all(std::span<const std::uint64_t> words, const ReadKernel& kernel, ThreadPool& pool) {
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool.num_threads()), 0);
  pool.parallel_for(static_cast<std::int64_t>(words.size()), kWordsPerPage, [&](WorkRange range) {
    sums[static_cast<std::size_t>(range.thread)] =
        kernel.sum_words(words.data() + range.begin, range.end - range.begin);
  });
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

Result<BandwidthRecord> measure_read_bandwidth(ThreadPool& pool, const BandwidthOptions& options) {
  const Clock::time_point started = Clock::now();
  BandwidthRecord record;
  record.threads = pool.num_threads();
  const std::uint64_t wanted = options.array_bytes == 0 ? default_array_bytes() : options.array_bytes;
  record.array_bytes = wanted / sizeof(std::uint64_t) * sizeof(std::uint64_t);
  ASSAY_RETURN_IF_ERROR(check_size(record.array_bytes, record.threads));
  ASSAY_TRY(const Array array, Array::create(record.array_bytes));
  const std::uint64_t expected = fill(array.words(), pool);
  const ReadKernel& kernel = select_read_kernel(detect_cpu_features());
  record.kernel = kernel.name;
  std::vector<double> rates;
  while (rates.size() < kMinRepetitions || seconds_since(started) < options.max_seconds) {
    const Clock::time_point start = Clock::now();
    const std::uint64_t sum = read_all(array.words(), kernel, pool);
    const double seconds = seconds_since(start);
    ASSAY_CHECK(sum == expected);
    rates.push_back(static_cast<double>(record.array_bytes) / seconds);
  }
  record.repetitions = static_cast<int>(rates.size());
  record.best_bytes_per_second = *std::max_element(rates.begin(), rates.end());
  record.median_bytes_per_second = median(rates);
  return record;
}

}  // namespace assay::measure
