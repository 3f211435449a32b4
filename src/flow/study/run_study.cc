#include "flow/study/run_study.h"

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "base/elapsed.h"
#include "base/interrupt.h"
#include "flow/study/detector_tasks.h"
#include "flow/study/grid_intensity.h"
#include "flow/study/llm_tasks.h"
#include "measure/pinning.h"

namespace assay {
namespace {

struct Plan {
  std::vector<StudyTask> tasks;
  store::Json study;
};

Result<store::Json> climate_json(const ClimateSpec& climate, std::string_view grid) {
  store::Json json{
      {"country", nullptr}, {"gco2e_per_kwh", nullptr}, {"requests_per_day", climate.requests_per_day}};
  if (!climate.country.empty() && !climate.gco2e_per_kwh) {
    ASSAY_TRY(const GridIntensity found, grid_intensity(grid, climate.country));
    json["country"] = found.country + " in " + std::to_string(found.year);
    json["gco2e_per_kwh"] = found.gco2e_per_kwh;
  } else if (climate.gco2e_per_kwh) {
    json["country"] = climate.country;
    json["gco2e_per_kwh"] = *climate.gco2e_per_kwh;
  }
  return json;
}

Result<Plan> plan_study(const StudyContext& context) {
  Plan plan;
  std::string missing;
  store::Json detectors = store::Json::array(), llms = store::Json::array();
  const auto take = [&](Result<ModelTasks> model, store::Json& list) {
    if (!model) {
      missing += (missing.empty() ? "" : "\n") + model.error().message;
      return;
    }
    list.push_back(std::move(model->about));
    for (auto& task : model->tasks) plan.tasks.push_back(std::move(task));
  };
  for (const auto& spec : context.spec.detectors) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    take(detector_tasks(spec, context), detectors);
  }
  for (const auto& spec : context.spec.llms) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    take(llm_tasks(spec, context), llms);
  }
  auto climate = climate_json(context.spec.climate, context.builtin.grid);
  if (!climate) missing += (missing.empty() ? "" : "\n") + climate.error().message;
  if (!missing.empty()) return Error{ErrorCode::kNotFound, missing};
  plan.study = {{"title", context.spec.title}, {"author", context.spec.author},
                {"texts", context.spec.texts}, {"detectors", std::move(detectors)},
                {"llms", std::move(llms)},     {"climate", *std::move(climate)},
                {"file", context.spec.file}};
  return plan;
}

std::vector<std::string> keys_of(const std::vector<StudyTask>& tasks) {
  std::vector<std::string> keys;
  for (const auto& task : tasks) keys.push_back(task.subject.key());
  return keys;
}

// Timings of each on cores of its own, and noted which.
Result<store::Json> measure_task(const StudyTask& task, bool pin, store::Json& environment) {
  std::optional<measure::Pinning> pinning;
  if (task.timed_threads > 0) {
    if (pin) pinning.emplace(task.timed_threads);
    environment["pinning"] = pinning ? pinning->description() : "not pinned: the study has it off";
  }
  return task.measure();
}

store::Measurement failed(store::Subject subject, const std::string& message, const std::string& at) {
  subject.settings = {{"of", subject.kind}, {"round", subject.round}, {"at", at}};
  subject.kind = "failed";
  return {std::move(subject), {{"error", message}}, {}, {}, at, at};
}

// Errors after which going on makes no sense: the user's wish, and a disk that takes nothing more.
bool ends_study(const Error& error) {
  return error.code == ErrorCode::kInterrupted || error.code == ErrorCode::kIo;
}

}  // namespace

Result<StudyRun> run_study(const StudyContext& context, const StudyRunOptions& options) {
  ASSAY_TRY(Plan plan, plan_study(context));
  std::vector<std::string> keys = keys_of(plan.tasks);
  StudyRun run;
  run.planned = static_cast<std::int64_t>(keys.size());
  ASSAY_TRY(StudyOutlook outlook, look_ahead(plan.tasks, context.store));
  run.estimate = outlook.estimate;
  if (options.plan_only) {
    run.reused = run.planned - run.estimate.measurements;
    return run;
  }
  ASSAY_RETURN_IF_ERROR(context.store.set_plan(keys, plan.study));
  std::set<std::pair<std::string, std::string>> broken;  // model and variant
  const auto is_broken = [&](const StudyTask& task) {
    return broken.contains({task.subject.model, task.subject.variant});
  };
  const auto seconds_after = [&](std::size_t position) {
    double seconds = 0;
    for (std::size_t i = position + 1; i < plan.tasks.size(); ++i)
      if (!outlook.measured[i] && !is_broken(plan.tasks[i])) seconds += outlook.pace.seconds(plan.tasks[i]);
    return seconds;
  };
  for (std::size_t i = 0; i < plan.tasks.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(check_interrupt());
    const StudyTask& task = plan.tasks[i];
    if (outlook.measured[i]) {
      ++run.reused;
      continue;
    }
    if (is_broken(task)) continue;
    if (options.announce) {
      options.announce({task.subject, static_cast<std::int64_t>(i), run.planned, outlook.pace.seconds(task),
                        seconds_after(i)});
    }
    store::Measurement measurement{task.subject,     {}, options.environment, options.command,
                                   store::utc_now(), {}};
    const auto start = std::chrono::steady_clock::now();
    auto figures = measure_task(task, context.spec.measure.pin == "auto", measurement.environment);
    measurement.finished = store::utc_now();
    if (figures) {
      outlook.pace.learn(task, seconds_since(start));
      measurement.figures = *std::move(figures);
      ASSAY_RETURN_IF_ERROR(context.store.add(measurement));
      ++run.measured;
      continue;
    }
    if (ends_study(figures.error())) return figures.error();
    broken.insert({task.subject.model, task.subject.variant});
    run.failures.push_back({task.subject, figures.error().message});
    store::Measurement failure = failed(task.subject, figures.error().message, measurement.finished);
    failure.environment = options.environment;
    failure.command = options.command;
    keys.push_back(failure.subject.key());
    ASSAY_TRY(const auto noted, context.store.find(keys.back()));
    if (!noted) ASSAY_RETURN_IF_ERROR(context.store.add(failure));
  }
  if (!run.failures.empty()) ASSAY_RETURN_IF_ERROR(context.store.set_plan(keys, plan.study));
  return run;
}

}  // namespace assay
