#include "report/markup.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace assay::report {
namespace {

using Lines = std::vector<std::pair<int, std::string>>;  // number in the template, text

Error at_line(int line, const std::string& message) {
  return Error{ErrorCode::kInvalidArgument, "report.md, line " + std::to_string(line) + ": " + message};
}

Lines split(std::string_view text) {
  Lines lines;
  int number = 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    std::string line(text.substr(begin, end - begin));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    lines.emplace_back(++number, std::move(line));
    begin = end + 1;
  }
  return lines;
}

class Parser {
 public:
  explicit Parser(const MarkupContext& context) : context_(context) {}

  Result<std::vector<Block>> parse(std::string_view text) {
    ASSAY_TRY(const Lines kept, conditional(without_header(split(text))));
    number_shown(kept);
    for (const auto& [number, line] : kept) ASSAY_RETURN_IF_ERROR(take(number, line, false));
    ASSAY_RETURN_IF_ERROR(flush());
    for (Block& block : blocks_) {
      if (block.kind != Block::Kind::kReferences) continue;
      for (const std::string& key : cited_)
        block.lines.push_back({{Run::Style::kPlain, references_.at(key)}});
    }
    return std::move(blocks_);
  }

 private:
  // pandoc's header, which a report.md that was written out begins with.
  static Lines without_header(Lines lines) {
    if (lines.empty() || lines.front().second != "---") return lines;
    const auto end =
        std::find_if(lines.begin() + 1, lines.end(), [](const auto& line) { return line.second == "---"; });
    if (end != lines.end()) lines.erase(lines.begin(), end + 1);
    return lines;
  }

  // Takes out what {if} excludes, and the texts of the references.
  Result<Lines> conditional(const Lines& lines) {
    Lines kept;
    std::vector<std::pair<int, bool>> open;
    for (const auto& [number, line] : lines) {
      if (line.rfind("{if ", 0) == 0 && line.back() == '}') {
        ASSAY_TRY(const bool holds, condition(number, line.substr(4, line.size() - 5)));
        open.emplace_back(number, holds);
        continue;
      }
      if (line == "{end}") {
        if (open.empty()) return at_line(number, "{end} without {if}");
        open.pop_back();
        continue;
      }
      if (std::any_of(open.begin(), open.end(), [](const auto& o) { return !o.second; })) continue;
      if (const auto colon = line.find("]: "); line.rfind("[@", 0) == 0 && colon != std::string::npos) {
        references_[line.substr(2, colon - 2)] = line.substr(colon + 3);
        continue;
      }
      kept.emplace_back(number, line);
    }
    if (!open.empty()) return at_line(open.back().first, "{if} without {end}");
    return kept;
  }

  Result<bool> condition(int line, const std::string& text) const {
    const auto space = text.find(' ');
    if (space == std::string::npos) {
      ASSAY_TRY(const std::string value, fact(line, text));
      return !value.empty();
    }
    const std::string what = text.substr(0, space), name = text.substr(space + 1);
    if (what == "findings") {
      const auto found = context_.findings.find(name);
      return found != context_.findings.end() && !found->second.empty();
    }
    if (what != "figure" && what != "table") return at_line(line, "{if " + what + " ...} is not known");
    const auto& ids = what == "figure" ? context_.figures : context_.tables;
    return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) { return id.rfind(name, 0) == 0; });
  }

  Result<std::string> fact(int line, const std::string& name) const {
    const auto found = context_.facts.find(name);
    if (found == context_.facts.end()) return at_line(line, "there is no figure named '" + name + "'");
    return found->second;
  }

  Status take(int number, const std::string& line, bool from_user) {
    line_ = number;
    if (line.rfind('#', 0) == 0) return heading(line);
    if (line.size() > 2 && line.front() == '{' && line.back() == '}' && line.find('}') == line.size() - 1) {
      ASSAY_TRY(const bool done, directive(line.substr(1, line.size() - 2)));
      if (done) return {};
    }
    // The user's text stands in for ours.
    if (replaced_ && !from_user) return {};
    if (line.empty()) return flush();
    if (line.rfind("    ", 0) == 0) {
      ASSAY_RETURN_IF_ERROR(flush());
      return add_text(Block::Kind::kFormula, line.substr(4));
    }
    if (line.rfind("- ", 0) == 0) {
      if (!bullets_) ASSAY_RETURN_IF_ERROR(flush());
      bullets_ = true;
      pending_.push_back(line.substr(2));
      return {};
    }
    if (pending_.empty()) {
      pending_.push_back(line);
    } else {
      const auto begin = line.find_first_not_of(' ');
      pending_.back() += " " + line.substr(begin);
    }
    return {};
  }

  Status heading(const std::string& line) {
    ASSAY_RETURN_IF_ERROR(flush());
    const auto level = static_cast<int>(line.find_first_not_of('#'));
    Block block{Block::Kind::kHeading, level, "", 0, {}};
    const auto begin = line.find_first_not_of("# ");
    if (begin == std::string::npos) return at_line(line_, "a heading without a title");
    ASSAY_TRY(Runs runs, inline_text(line.substr(begin)));
    block.id = section_name(plain_text(runs));
    block.lines.push_back(std::move(runs));
    blocks_.push_back(block);
    replaced_ = false;
    if (const auto text = context_.texts.find(block.id);
        text != context_.texts.end() && !text->second.empty()) {
      const int here = line_;
      users_ = true;  // what is no name in it is text
      for (const auto& [unused, user_line] : split(text->second)) {
        // A text is paragraphs and bullets; what looks like more is text as well.
        const bool special = !user_line.empty() && (user_line.front() == '#' || user_line.front() == '{');
        ASSAY_RETURN_IF_ERROR(take(here, (special ? "\u200b" : "") + user_line, true));
      }
      ASSAY_RETURN_IF_ERROR(flush());
      users_ = false;
      replaced_ = true;
    }
    return {};
  }

  Result<bool> directive(const std::string& content) {
    const auto space = content.find(' ');
    const std::string what = content.substr(0, space);
    const std::string name = space == std::string::npos ? "" : content.substr(space + 1);
    const auto begin_block = [&]() -> Status { return flush(); };
    if (what == "figure" || what == "table") {
      ASSAY_RETURN_IF_ERROR(begin_block());
      if (is_known(what == "figure" ? context_.figures : context_.tables, name))
        add_shown(what == "figure" ? Block::Kind::kFigure : Block::Kind::kTable, name);
      return true;
    }
    if (what == "figures") {
      ASSAY_RETURN_IF_ERROR(begin_block());
      for (const std::string& id : context_.figures)
        if (id.rfind(name, 0) == 0) add_shown(Block::Kind::kFigure, id);
      return true;
    }
    if (what == "findings") {
      ASSAY_RETURN_IF_ERROR(begin_block());
      const auto found = context_.findings.find(name);
      if (found == context_.findings.end())
        return at_line(line_, "there are no findings named '" + name + "'");
      for (const std::string& finding : found->second) {
        bullets_ = true;
        pending_.push_back(finding);
      }
      ASSAY_RETURN_IF_ERROR(flush());
      return true;
    }
    if (what == "listing") {
      ASSAY_RETURN_IF_ERROR(begin_block());
      ASSAY_TRY(const std::string text, fact(line_, name));
      blocks_.push_back({Block::Kind::kListing, 0, name, 0, {{{Run::Style::kCode, text}}}});
      return true;
    }
    if (what == "references") {
      ASSAY_RETURN_IF_ERROR(begin_block());
      blocks_.push_back({Block::Kind::kReferences, 0, "", 0, {}});
      return true;
    }
    // A paragraph that begins with a figure of the study.
    if (space == std::string::npos) return false;
    return at_line(line_, "unknown directive '" + what + "'");
  }

  Status add_text(Block::Kind kind, const std::string& text) {
    ASSAY_TRY(Runs runs, inline_text(text));
    blocks_.push_back({kind, 0, "", 0, {std::move(runs)}});
    return {};
  }

  Status flush() {
    if (pending_.empty()) return {};
    Block block{bullets_ ? Block::Kind::kBullets : Block::Kind::kParagraph, 0, "", 0, {}};
    for (const std::string& line : pending_) {
      ASSAY_TRY(Runs runs, inline_text(line));
      block.lines.push_back(std::move(runs));
    }
    blocks_.push_back(std::move(block));
    pending_.clear();
    bullets_ = false;
    return {};
  }

  Result<Runs> inline_text(const std::string& text) {
    Runs runs;
    std::string plain;
    const auto close_plain = [&] {
      if (!plain.empty()) runs.push_back({Run::Style::kPlain, std::exchange(plain, "")});
    };
    for (std::size_t i = 0; i < text.size();) {
      const char c = text[i];
      const auto until = [&](const char* end) { return text.find(end, i + 1); };
      if (c == '\\' && i + 1 < text.size()) {
        plain += text[i + 1];
        i += 2;
      } else if (c == '{' && !(users_ && !names_a_fact(text, i))) {
        const auto end = until("}");
        if (end == std::string::npos) return at_line(line_, "'{' without '}'");
        ASSAY_TRY(const std::string value, fact(line_, text.substr(i + 1, end - i - 1)));
        plain += value;
        i = end + 1;
      } else if ((c == '*' || c == '`') && until(c == '*' ? "*" : "`") != std::string::npos) {
        const auto end = until(c == '*' ? "*" : "`");
        close_plain();
        runs.push_back(
            {c == '*' ? Run::Style::kEmphasis : Run::Style::kCode, text.substr(i + 1, end - i - 1)});
        i = end + 1;
      } else if (c == '[' && i + 1 < text.size() && text[i + 1] == '#' && until("]") != std::string::npos) {
        const auto end = until("]");
        const auto found = numbers_.find(text.substr(i + 2, end - i - 2));
        plain += found == numbers_.end() ? "no figure"
                                         : found->second.first + std::to_string(found->second.second);
        i = end + 1;
      } else if (c == '[' && i + 2 < text.size() && text[i + 1] == '@' && until("]") != std::string::npos) {
        const auto end = until("]");
        const std::string keys = text.substr(i + 1, end - i - 1);
        if (users_ && !references_.contains(keys.substr(1, keys.find(';') - 1))) {
          plain += c;
          ++i;
          continue;
        }
        ASSAY_TRY(const std::string numbers, cite(keys));
        plain += "[" + numbers + "]";
        i = end + 1;
      } else {
        // The typewriter's apostrophe as a printed one.
        plain += c == '\'' ? std::string("\u2019") : std::string(1, c);
        ++i;
      }
    }
    close_plain();
    return runs;
  }

  bool names_a_fact(const std::string& text, std::size_t brace) const {
    const auto end = text.find('}', brace);
    return end != std::string::npos && context_.facts.contains(text.substr(brace + 1, end - brace - 1));
  }

  // "@jacob; @nagel" as "7, 8".
  Result<std::string> cite(const std::string& keys) {
    std::string numbers;
    for (std::size_t begin = 0; begin < keys.size();) {
      const std::size_t end = std::min(keys.find(';', begin), keys.size());
      const auto at = keys.find('@', begin);
      const std::string key = at < end ? keys.substr(at + 1, end - at - 1) : keys.substr(begin, end - begin);
      if (!references_.contains(key)) return at_line(line_, "there is no reference '" + key + "'");
      auto found = std::find(cited_.begin(), cited_.end(), key);
      if (found == cited_.end()) found = cited_.insert(cited_.end(), key);
      numbers += (numbers.empty() ? "" : ", ") + std::to_string(found - cited_.begin() + 1);
      begin = end + 1;
    }
    return numbers;
  }

  // References to figures may stand before them, so all get their numbers first.
  void number_shown(const Lines& lines) {
    int figures = 0, tables = 0;
    for (const auto& [unused, line] : lines) {
      if (line.empty() || line.front() != '{' || line.back() != '}') continue;
      const auto space = line.find(' ');
      if (space == std::string::npos) continue;
      const std::string what = line.substr(1, space - 1);
      const std::string name = line.substr(space + 1, line.size() - space - 2);
      if (what == "table" && is_known(context_.tables, name)) numbers_[name] = {"Table ", ++tables};
      for (const std::string& id : context_.figures) {
        if ((what == "figure" && id == name) || (what == "figures" && id.rfind(name, 0) == 0))
          numbers_[id] = {"Figure ", ++figures};
      }
    }
  }

  static bool is_known(const std::vector<std::string>& ids, const std::string& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  void add_shown(Block::Kind kind, const std::string& id) {
    blocks_.push_back({kind, 0, id, numbers_.at(id).second, {}});
  }

  const MarkupContext& context_;
  std::vector<Block> blocks_;
  std::vector<std::string> pending_;
  bool bullets_ = false;
  bool replaced_ = false;
  bool users_ = false;
  int line_ = 0;
  std::map<std::string, std::string> references_;
  std::vector<std::string> cited_;
  std::map<std::string, std::pair<std::string, int>> numbers_;  // "Figure ", 3 by id
};

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\*`{[#-'").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string section_name(std::string_view title) {
  std::string name;
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

Result<std::vector<Block>> parse_markup(std::string_view text, const MarkupContext& context) {
  return Parser(context).parse(text);
}

}  // namespace assay::report
