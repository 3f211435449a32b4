#include "flow/study/estimate.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <string>

#include "measure/statistics.h"

namespace assay {
namespace {

struct Rate {
  double estimated = 0, measured = 0;
};

using Kind = std::pair<store::Task, std::string>;

}  // namespace

std::optional<double> seconds_between(const std::string& started, const std::string& finished) {
  std::tm first{}, last{};
  if (strptime(started.c_str(), "%Y-%m-%dT%H:%M:%SZ", &first) == nullptr ||
      strptime(finished.c_str(), "%Y-%m-%dT%H:%M:%SZ", &last) == nullptr)
    return std::nullopt;
  return static_cast<double>(timegm(&last) - timegm(&first));
}

Result<StudyEstimate> estimate_study(const std::vector<StudyTask>& tasks, store::Store& store) {
  std::map<Kind, Rate> rates;
  std::vector<const StudyTask*> open;
  StudyEstimate estimate;
  for (const StudyTask& task : tasks) {
    ASSAY_TRY(const auto found, store.find(task.subject.key()));
    if (!found) {
      open.push_back(&task);
      continue;
    }
    const auto seconds = seconds_between(found->started, found->finished);
    if (!seconds || !(task.cost.seconds > 0)) continue;
    Rate& rate = rates[{task.subject.task, task.subject.kind}];
    rate.estimated += task.cost.seconds;
    rate.measured += *seconds;
    ++estimate.calibrated_with;
  }
  std::vector<double> corrections;
  for (const auto& [kind, rate] : rates) corrections.push_back(rate.measured / rate.estimated);
  const double usual = corrections.empty() ? 1 : measure::median(corrections);
  for (const StudyTask* task : open) {
    const auto rate = rates.find({task->subject.task, task->subject.kind});
    const double correction = rate == rates.end() ? usual : rate->second.measured / rate->second.estimated;
    ++estimate.measurements;
    estimate.seconds += task->cost.seconds * correction;
    estimate.disk_bytes += task->cost.disk_bytes;
    estimate.memory_bytes = std::max(estimate.memory_bytes, task->cost.memory_bytes);
  }
  return estimate;
}

}  // namespace assay
