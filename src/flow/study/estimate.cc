#include "flow/study/estimate.h"

#include <algorithm>
#include <ctime>

namespace assay {
namespace {

// So many seconds of a kind count as much as all that is known without it: a reference that is "quantized" in
// no time says little about how long the others will take.
constexpr double kPriorSeconds = 5;

double correction(double estimated, double measured, double without) {
  return (measured + kPriorSeconds * without) / (estimated + kPriorSeconds);
}

}  // namespace

void StudyPace::learn(const StudyTask& task, double seconds) {
  if (!(task.cost.seconds > 0)) return;
  for (Rate* rate : {&kinds_[{task.subject.task, task.subject.kind}], &all_}) {
    rate->estimated += task.cost.seconds;
    rate->measured += seconds;
  }
  ++learned_from_;
}

double StudyPace::seconds(const StudyTask& task) const {
  const double usual = correction(all_.estimated, all_.measured, 1);
  const auto kind = kinds_.find({task.subject.task, task.subject.kind});
  if (kind == kinds_.end()) return task.cost.seconds * usual;
  return task.cost.seconds * correction(kind->second.estimated, kind->second.measured, usual);
}

std::optional<double> seconds_between(const std::string& started, const std::string& finished) {
  std::tm first{}, last{};
  if (strptime(started.c_str(), "%Y-%m-%dT%H:%M:%SZ", &first) == nullptr ||
      strptime(finished.c_str(), "%Y-%m-%dT%H:%M:%SZ", &last) == nullptr)
    return std::nullopt;
  return static_cast<double>(timegm(&last) - timegm(&first));
}

Result<StudyOutlook> look_ahead(const std::vector<StudyTask>& tasks, store::Store& store) {
  StudyOutlook outlook;
  for (const StudyTask& task : tasks) {
    ASSAY_TRY(const auto found, store.find(task.subject.key()));
    outlook.measured.push_back(found.has_value());
    if (!found) continue;
    if (const auto seconds = seconds_between(found->started, found->finished))
      outlook.pace.learn(task, *seconds);
  }
  StudyEstimate& estimate = outlook.estimate;
  estimate.calibrated_with = outlook.pace.learned_from();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (outlook.measured[i]) continue;
    const TaskCost& cost = tasks[i].cost;
    ++estimate.measurements;
    estimate.seconds += outlook.pace.seconds(tasks[i]);
    estimate.disk_bytes += cost.disk_bytes;
    estimate.memory_bytes = std::max(estimate.memory_bytes, cost.memory_bytes);
  }
  return outlook;
}

}  // namespace assay
