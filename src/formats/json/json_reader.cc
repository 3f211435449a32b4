#include "formats/json/json_reader.h"

#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "formats/tensor_view.h"

namespace assay {
namespace {

// Builds the document, and stops where a plain parse would be too lenient.
template <typename Json>
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  using Base = nlohmann::json_sax<Json>;

  explicit StrictBuilder(int max_depth) : max_depth_(static_cast<std::size_t>(max_depth)) {}

  Json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(typename Base::number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(typename Base::number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(typename Base::number_float_t value, const typename Base::string_t&) override {
    return add(value) != nullptr;
  }
  bool string(typename Base::string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(typename Base::binary_t&) override { return false; }  // does not occur in text
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(typename Base::string_t& value) override {
    if (!open_.back().keys.insert(value).second) {
      problem_ = "key " + quote(value) + " occurs twice in one object";
      return false;
    }
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    problem_ = "invalid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  // A container is not moved while it is open: its parent gets no element meanwhile.
  struct Open {
    Json* container;
    std::set<std::string> keys;
  };

  Json* add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().container;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    auto& members = parent.template get_ref<typename Json::object_t&>();
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
      // Its own insertion searches all members first; key() knows already that this one is new.
      members.push_back({std::move(key_), std::move(value)});
      return &members.back().second;
    } else {
      return &members.emplace(std::move(key_), std::move(value)).first->second;
    }
  }
  bool open(Json container) {
    if (open_.size() >= max_depth_) {
      problem_ = "JSON is nested deeper than " + std::to_string(max_depth_) + " levels";
      return false;
    }
    open_.push_back({add(std::move(container)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::size_t max_depth_;
  Json root_;
  std::vector<Open> open_;
  std::string key_;
  std::string problem_;
};

template <typename Json>
Result<Json> parse_strictly(ByteView text, int max_depth) {
  const std::string_view characters = as_text(text);
  // The library takes a NUL byte for the end of its input.
  if (const auto nul = characters.find('\0'); nul != std::string_view::npos) {
    return Error{ErrorCode::kCorrupt, "invalid JSON at byte " + std::to_string(nul) + " (NUL)"};
  }
  StrictBuilder<Json> builder(max_depth);
  if (!Json::sax_parse(characters.begin(), characters.end(), &builder)) {
    return Error{ErrorCode::kCorrupt, builder.problem()};
  }
  return builder.take();
}

}  // namespace

Result<nlohmann::json> parse_json(ByteView text, int max_depth) {
  return parse_strictly<nlohmann::json>(text, max_depth);
}

Result<nlohmann::ordered_json> parse_ordered_json(ByteView text, int max_depth) {
  return parse_strictly<nlohmann::ordered_json>(text, max_depth);
}

}  // namespace assay
