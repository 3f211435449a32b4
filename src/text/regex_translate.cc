#include <cctype>

#include "text/regex.h"

namespace assay::text {
namespace {

constexpr std::string_view kWordMembers = R"(\p{L}\p{M}\p{Nd}\p{Pc})";

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        ASSAY_RETURN_IF_ERROR(escape(/*in_class=*/false));
      } else if (c == '[') {
        ASSAY_RETURN_IF_ERROR(char_class());
      } else if (c == '(') {
        ASSAY_RETURN_IF_ERROR(group());
      } else if (c == '{') {
        ASSAY_RETURN_IF_ERROR(interval());
      } else {
        out_.push_back(c);
        ++at_;
      }
    }
    return out_;
  }

 private:
  Error unsupported(const std::string& what) const {
    return Error{ErrorCode::kUnsupported, "regex '" + std::string(pattern_) + "': " + what + " at byte " +
                                              std::to_string(at_) + " is not supported"};
  }
  bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  Status escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) return unsupported("a backslash at the end");
    const char c = pattern_[at_ + 1];
    switch (c) {
      case 's':
        return emit(R"(\p{White_Space})", 2);
      case 'S':
        return emit(R"(\P{White_Space})", 2);
      case 'd':
        return emit(R"(\p{Nd})", 2);
      case 'D':
        return emit(R"(\P{Nd})", 2);
      case 'v':
        return emit(R"(\x0B)", 2);
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        return emit(pattern_.substr(at_, 2), 2);
      case 'w':
        return in_class ? emit(kWordMembers, 2) : emit("[" + std::string(kWordMembers) + "]", 2);
      case 'p':
      case 'P':
        return property();
      case 'x':
        return hex_byte_or_braces();
      case 'u':
        return four_hex();
      default:
        break;
    }
    if (!in_class) {
      const std::string word = "[" + std::string(kWordMembers) + "]";
      const std::string before = "(?<=" + word + ")", no_before = "(?<!" + word + ")";
      const std::string after = "(?=" + word + ")", no_after = "(?!" + word + ")";
      if (c == 'W') return emit("[^" + std::string(kWordMembers) + "]", 2);
      if (c == 'b') return emit("(?:" + before + no_after + "|" + no_before + after + ")", 2);
      if (c == 'B') return emit("(?:" + before + after + "|" + no_before + no_after + ")", 2);
      if (c == 'A' || c == 'z' || c == 'Z') return emit(pattern_.substr(at_, 2), 2);
    }
    if (std::isalnum(static_cast<unsigned char>(c))) return unsupported(std::string("\\") + c);
    if (static_cast<unsigned char>(c) >= 0x80)
      return emit("", 1);  // a letter of its own; the backslash says nothing
    return emit(pattern_.substr(at_, 2), 2);
  }

  Status property() {
    const std::size_t close = pattern_.find('}', at_);
    if (at_ + 2 >= pattern_.size() || pattern_[at_ + 2] != '{' || close == std::string_view::npos) {
      return unsupported("\\p without {name}");
    }
    std::string_view name = pattern_.substr(at_ + 3, close - at_ - 3);
    bool negated = pattern_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    for (const char c : name) {
      if (!std::isalpha(static_cast<unsigned char>(c)) && c != '_') return unsupported("this property name");
    }
    if (name.empty()) return unsupported("an empty property name");
    // PCRE2 takes a bare script name for Script_Extensions, Oniguruma for Script.
    const std::string qualified = (name.size() <= 2 ? "" : "sc:") + std::string(name);
    return emit((negated ? "\\P{" : "\\p{") + qualified + "}", close + 1 - at_);
  }

  Status hex_byte_or_braces() {
    std::size_t from = at_ + 2, until = from;
    const bool braces = from < pattern_.size() && pattern_[from] == '{';
    if (braces) until = ++from;
    while (until < pattern_.size() && is_hex(pattern_[until]) && until - from < (braces ? 6u : 2u)) ++until;
    const bool closed = !braces || (until < pattern_.size() && pattern_[until] == '}');
    if (until == from || !closed) return unsupported("this \\x");
    return emit("\\x{" + std::string(pattern_.substr(from, until - from)) + "}",
                until + (braces ? 1 : 0) - at_);
  }

  Status four_hex() {
    const std::string_view digits = pattern_.substr(at_ + 2, 4);
    if (digits.size() != 4 || !is_hex(digits[0]) || !is_hex(digits[1]) || !is_hex(digits[2]) ||
        !is_hex(digits[3])) {
      return unsupported("\\u without four digits");
    }
    return emit("\\x{" + std::string(digits) + "}", 6);
  }

  Status char_class() {
    out_ += '[';
    ++at_;
    if (next_is("^")) {
      out_ += '^';
      ++at_;
    }
    if (next_is("]")) return unsupported("']' as the first member of a class");
    while (at_ < pattern_.size() && pattern_[at_] != ']') {
      if (pattern_[at_] == '[') return unsupported("a class inside of a class");
      if (next_is("&&")) return unsupported("an intersection of classes");
      if (pattern_[at_] == '\\') {
        ASSAY_RETURN_IF_ERROR(escape_in_class());
      } else {
        out_.push_back(pattern_[at_++]);
      }
    }
    if (at_ == pattern_.size()) return unsupported("a class without an end");
    return emit("]", 1);
  }

  Status escape_in_class() {
    if (next_is("\\b")) return emit(R"(\x08)", 2);
    if (next_is("\\W")) return unsupported("\\W in a class");
    return escape(/*in_class=*/true);
  }

  Status group() {
    if (!next_is("(?")) {
      if (next_is("(*")) return unsupported("(*");
      return emit("(", 1);
    }
    for (const std::string_view opening : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"}) {
      if (next_is(opening)) return emit(opening, opening.size());
    }
    return unsupported("this kind of group");
  }

  // {n}, {n,}, {n,m} mean the same in both; {,m} and what follows an interval do not.
  Status interval() {
    std::size_t until = at_ + 1;
    std::string low, high;
    while (until < pattern_.size() && is_digit(pattern_[until])) low += pattern_[until++];
    const bool comma = until < pattern_.size() && pattern_[until] == ',';
    if (comma) ++until;
    while (comma && until < pattern_.size() && is_digit(pattern_[until])) high += pattern_[until++];
    const bool closed = until < pattern_.size() && pattern_[until] == '}';
    if (!closed || (low.empty() && high.empty())) return emit("\\{", 1);
    ++until;
    const bool followed = until < pattern_.size();
    if (followed && pattern_[until] == '+') return unsupported("'+' after an interval");
    if (followed && pattern_[until] == '?' && !comma) return unsupported("'?' after {n}");
    const std::string text = "{" + (low.empty() ? "0" : low) + (comma ? "," + high : "") + "}";
    return emit(text, until - at_);
  }

  Status emit(std::string_view text, std::size_t consumed) {
    out_ += text;
    at_ += consumed;
    return {};
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> translate_oniguruma(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace assay::text
