#include "flow/study/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace assay {
namespace {

std::string list_text(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

bool is_text(const YAML::Node& node) { return node.IsScalar(); }

}  // namespace

std::optional<std::string> nearest(const std::string& name, const std::set<std::string>& known) {
  std::optional<std::string> best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : known) {
    const std::size_t here = distance(name, candidate);
    if (here < least) {
      least = here;
      best = candidate;
    }
  }
  return best;
}

YamlReader::YamlReader(const YAML::Node& node, std::string where, std::vector<StudyProblem>& problems)
    : node_(node.IsDefined() && node.IsMap() ? node : YAML::Node(YAML::NodeType::Map)),
      where_(std::move(where)),
      problems_(&problems) {
  if (node.IsDefined() && !node.IsNull() && !node.IsMap())
    problem(node, (where_.empty() ? "the file" : where_) +
                      ": expected keys with values, for example \"title: My study\"");
}

std::string YamlReader::name(const std::string& key) const {
  return where_.empty() ? key : where_ + "." + key;
}

void YamlReader::problem(const YAML::Node& at, const std::string& message) {
  const YAML::Mark mark = at.Mark();
  problems_->push_back({mark.is_null() ? 0 : mark.line + 1, mark.is_null() ? 0 : mark.column + 1, message});
}

void YamlReader::problem(const std::string& message) { problem(node_, message); }

YAML::Node YamlReader::find(const char* key) {
  known_.insert(key);
  return std::as_const(node_)[key];
}

bool YamlReader::has(const char* key) const { return node_[key].IsDefined(); }

void YamlReader::text(const char* key, const char* example, std::string& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  if (!is_text(value) || value.Scalar().empty()) {
    problem(value, name(key) + ": expected a text, for example \"" + key + ": " + example + "\"");
    return;
  }
  target = value.Scalar();
}

void YamlReader::path(const char* key, const char* example, const std::filesystem::path& folder,
                      std::filesystem::path& target) {
  std::string given;
  text(key, example, given);
  if (!given.empty()) target = folder / given;
}

void YamlReader::paths(const char* key, const char* example, const std::filesystem::path& folder,
                       std::vector<std::filesystem::path>& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  if (!value.IsSequence()) {
    problem(value, name(key) + ": expected a list of paths, for example \"" + key + ": [" + example + "]\"");
    return;
  }
  target.clear();
  for (const YAML::Node& item : value) {
    if (!is_text(item)) {
      problem(item, name(key) + ": expected a path, for example " + example);
      continue;
    }
    target.push_back(folder / item.Scalar());
  }
}

std::optional<std::int64_t> YamlReader::integer_of(const YAML::Node& node) const {
  if (!node.IsScalar()) return std::nullopt;
  const std::string& text = node.Scalar();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> YamlReader::read_integer(const char* key, std::int64_t least,
                                                     const char* example) {
  constexpr std::int64_t kMost = 1'000'000'000;
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return std::nullopt;
  const auto number = integer_of(value);
  if (!number || *number < least || *number > kMost) {
    problem(value, name(key) + ": expected a whole number of at least " + std::to_string(least) +
                       ", for example \"" + key + ": " + example + "\"");
    return std::nullopt;
  }
  return number;
}

void YamlReader::integers(const char* key, std::int64_t least, const char* example,
                          std::vector<int>& target) {
  constexpr std::int64_t kMost = 1'000'000;
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  std::vector<int> numbers;
  bool good = value.IsSequence() && value.size() > 0;
  if (good) {
    for (const YAML::Node& item : value) {
      const auto number = integer_of(item);
      good = good && number && *number >= least && *number <= kMost;
      if (number) numbers.push_back(static_cast<int>(*number));
    }
  }
  if (!good) {
    problem(value, name(key) + ": expected a list of whole numbers of at least " + std::to_string(least) +
                       ", for example \"" + key + ": " + example + "\"");
    return;
  }
  target = std::move(numbers);
}

void YamlReader::real(const char* key, const char* example, std::optional<double>& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  double number = 0;
  if (!YAML::convert<double>::decode(value, number) || !(number > 0) || !std::isfinite(number)) {
    problem(value,
            name(key) + ": expected a number greater than 0, for example \"" + key + ": " + example + "\"");
    return;
  }
  target = number;
}

void YamlReader::boolean(const char* key, bool& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  if (!YAML::convert<bool>::decode(value, target))
    problem(value, name(key) + ": expected true or false, for example \"" + key + ": true\"");
}

void YamlReader::choice(const char* key, const std::vector<std::string>& allowed, std::string& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  if (!is_text(value) || std::find(allowed.begin(), allowed.end(), value.Scalar()) == allowed.end()) {
    problem(value, name(key) + ": expected one of " + list_text(allowed) + ", for example \"" + key + ": " +
                       allowed.front() + "\"");
    return;
  }
  target = value.Scalar();
}

void YamlReader::choices(const char* key, const std::vector<std::string>& allowed,
                         std::vector<std::string>& target) {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return;
  const std::string expected = name(key) + ": expected a list of " + list_text(allowed) + ", for example \"" +
                               key + ": [" + allowed.front() + "]\"";
  if (!value.IsSequence() || value.size() == 0) {
    problem(value, expected);
    return;
  }
  std::vector<std::string> chosen;
  for (const YAML::Node& item : value) {
    const std::string text = is_text(item) ? item.Scalar() : "";
    if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
      problem(item, expected + (text.empty() ? "" : "; found " + text));
    } else if (std::find(chosen.begin(), chosen.end(), text) != chosen.end()) {
      problem(item, name(key) + ": has " + text + " twice");
    } else {
      chosen.push_back(text);
    }
  }
  target = std::move(chosen);
}

void YamlReader::texts(const char* key, const std::vector<std::string>& allowed,
                       std::map<std::string, std::string>& target) {
  YamlReader inner = map(key);
  for (const auto& section : allowed) {
    std::string text;
    inner.text(section.c_str(), "Words of your own.", text);
    if (!text.empty()) target[section] = text;
  }
  inner.finish();
}

YamlReader YamlReader::map(const char* key) { return YamlReader(find(key), name(key), *problems_); }

std::vector<YamlReader> YamlReader::list(const char* key) {
  const YAML::Node value = find(key);
  std::vector<YamlReader> readers;
  if (!value.IsDefined() || value.IsNull()) return readers;
  if (!value.IsSequence()) {
    problem(value,
            name(key) + ": expected a list, each item beginning with \"- \", for example \"- model: NAME\"");
    return readers;
  }
  for (std::size_t i = 0; i < value.size(); ++i)
    readers.emplace_back(value[i], name(key) + "[" + std::to_string(i) + "]", *problems_);
  return readers;
}

void YamlReader::require(const char* key, const char* example) {
  if (has(key)) return;
  problem(name(key) + ": is missing, for example \"" + key + ": " + example + "\"");
}

void YamlReader::finish() {
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (known_.contains(key)) continue;
    const auto near = nearest(key, known_);
    problem(entry.first, name(key) + ": is not a key here" +
                             (near ? ", did you mean " + *near + "?"
                                   : ", expected one of " + list_text({known_.begin(), known_.end()})));
  }
}

}  // namespace assay
