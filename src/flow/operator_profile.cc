#include "flow/operator_profile.h"

#include <algorithm>
#include <map>

#include "base/interrupt.h"
#include "flow/seeded_input.h"
#include "formats/tflite/model.h"
#include "quant/tflite/convert.h"

namespace assay {
namespace {

constexpr int kWarmupRuns = 2;
constexpr int kProfiledRuns = 5;

std::string label_of(const tflite::Subgraph& graph, std::size_t op, const std::string& kernel) {
  return op < graph.operators.size() ? tflite::operator_label(graph, graph.operators[op]) : kernel;
}

template <typename T>
void sort_by_time(std::vector<T>& parts) {
  std::stable_sort(parts.begin(), parts.end(), [](const T& a, const T& b) { return a.seconds > b.seconds; });
}

}  // namespace

double OperatorProfile::builtin_share() const {
  double builtin_seconds = 0;
  for (const auto& op : builtin) builtin_seconds += op.seconds;
  return seconds > 0 ? builtin_seconds / seconds : 0;
}

Result<OperatorProfile> profile_operators(const CheckedTflite& model,
                                          const std::shared_ptr<const litert::Library>& library,
                                          int threads) {
  const tflite::Subgraph& graph = model.model().main();
  ASSAY_TRY(litert::Runner runner, model.run_with(library, {.threads = threads, .profile = true}));
  ASSAY_RETURN_IF_ERROR(fill_inputs(runner));
  for (int i = 0; i < kWarmupRuns; ++i) ASSAY_RETURN_IF_ERROR(runner.invoke());
  std::map<std::size_t, BuiltinOperator> builtin;
  std::map<std::pair<std::string, bool>, KernelGroup> kernels;
  OperatorProfile profile;
  profile.operators = graph.operators.size();
  for (int i = 0; i < kProfiledRuns; ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    ASSAY_TRY(const auto times, runner.profile());
    for (const auto& kernel : times) {
      const double seconds = kernel.seconds / kProfiledRuns;
      profile.seconds += seconds;
      KernelGroup& group = kernels[{kernel.name, !kernel.op}];
      group.name = kernel.name;
      group.xnnpack = !kernel.op;
      group.calls += i == 0 ? 1 : 0;
      group.seconds += seconds;
      if (!kernel.op) continue;
      BuiltinOperator& op = builtin[*kernel.op];
      op.label = label_of(graph, *kernel.op, kernel.name);
      op.seconds += seconds;
    }
  }
  for (auto& [index, op] : builtin) profile.builtin.push_back(std::move(op));
  for (auto& [key, group] : kernels) profile.kernels.push_back(std::move(group));
  sort_by_time(profile.builtin);
  sort_by_time(profile.kernels);
  return profile;
}

}  // namespace assay
