// One mapping of a YAML file, read key by key; what does not fit is noted, not thrown.
#pragma once
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/study/study_yaml.h"

namespace assay {

// Every read marks its key as known. An absent key leaves the target as it is. Not thread safe.
class YamlReader {
 public:
  // `where`: how messages name the mapping, as "detectors[0]"; empty for the root. Anything but a mapping is
  // a problem (null counts as an empty one).
  YamlReader(const YAML::Node& node, std::string where, std::vector<StudyProblem>& problems);

  void text(const char* key, const char* example, std::string& target);
  // Relative paths begin at `folder`.
  void path(const char* key, const char* example, const std::filesystem::path& folder,
            std::filesystem::path& target);
  void paths(const char* key, const char* example, const std::filesystem::path& folder,
             std::vector<std::filesystem::path>& target);
  template <typename Integer>
  void integer(const char* key, std::int64_t least, const char* example, Integer& target) {
    if (const auto value = read_integer(key, least, example)) target = static_cast<Integer>(*value);
  }
  // Greater than 0.
  void real(const char* key, const char* example, std::optional<double>& target);
  void boolean(const char* key, bool& target);
  void choice(const char* key, const std::vector<std::string>& allowed, std::string& target);
  // A list of some of `allowed`, each once, at least one.
  void choices(const char* key, const std::vector<std::string>& allowed, std::vector<std::string>& target);
  void integers(const char* key, std::int64_t least, const char* example, std::vector<int>& target);
  // Every key is free; values are texts.
  void texts(const char* key, const std::vector<std::string>& allowed,
             std::map<std::string, std::string>& target);

  // Mappings below this one; of an absent key an empty mapping or no elements.
  YamlReader map(const char* key);
  std::vector<YamlReader> list(const char* key);

  // A key that must be there was not read.
  void require(const char* key, const char* example);
  bool has(const char* key) const;
  void problem(const std::string& message);  // at the mapping's own place
  void problem(const YAML::Node& at, const std::string& message);
  // Call last: keys that nobody read are problems, with the nearest known one.
  void finish();

 private:
  YAML::Node find(const char* key);  // undefined where absent
  std::string name(const std::string& key) const;
  std::optional<std::int64_t> read_integer(const char* key, std::int64_t least, const char* example);
  std::optional<std::int64_t> integer_of(const YAML::Node& node) const;

  YAML::Node node_;
  std::string where_;
  std::vector<StudyProblem>* problems_;
  std::set<std::string> known_;
};

// The name among `known` that takes the fewest changes of a letter; nothing where none is near.
std::optional<std::string> nearest(const std::string& name, const std::set<std::string>& known);

}  // namespace assay
