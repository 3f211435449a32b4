// Cloze data sets: passages whose last word is to be guessed.
#pragma once
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assay::eval {

// context + target is the passage as it stood in the file; nothing is stripped.
struct ClozeExample {
  std::string context;  // everything before the last space; empty if the passage starts with its only space
  std::string target;  // that space and the last word with whatever sticks to it: " signs", " of\n\nPower", "
                       // \"Nadia"
};

enum class ClozeFormat {
  kAuto,       // JSON lines if the first line that is not blank starts with '{', otherwise plain text
  kJsonLines,  // one object per line with the passage in "text"; other keys are ignored (OpenAI's LAMBADA
               // variant)
  kPlainText,  // one passage per line
};

// The split is that of lm-evaluation-harness's task `lambada_openai`:
//   context = " ".join(text.split(" ")[:-1]), target = " " + text.split(" ")[-1].
// Only U+0020 separates words: a newline, tab or no-break space does not.
//
// `file`: UTF-8; a leading byte order mark and the carriage return of CRLF line ends are not part of the
// text. Blank lines (ASCII white space only) are skipped, but counted in the line numbers of messages. Order
// is that of the file.
// Errors, each naming the line: kCorrupt for an empty file, invalid UTF-8, invalid JSON,
// "text" missing or not a string, a passage without a space or without a word after its last one, and, with
// kAuto, JSON objects and plain lines in one file.
Result<std::vector<ClozeExample>> parse_cloze_examples(ByteView file,
                                                       ClozeFormat format = ClozeFormat::kAuto);

}  // namespace assay::eval
