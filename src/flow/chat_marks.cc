#include "flow/chat_marks.h"

#include <array>

namespace assay {
namespace {

struct Known {
  std::string_view opens, closes;  // tokens; of a kind both are there
  ChatMarks marks;
};

constexpr auto kKnown = std::to_array<Known>({
    {"<|im_start|>", "<|im_end|>", {"<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"}},
    {"<start_of_turn>", "<end_of_turn>", {"<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"}},
    {"<|start_header_id|>",
     "<|end_header_id|>",
     {"<|start_header_id|>user<|end_header_id|>\n\n",
      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"}},
    {"<|assistant|>", "<|end|>", {"<|user|>\n", "<|end|>\n<|assistant|>\n"}},
});

}  // namespace

std::optional<ChatMarks> find_chat_marks(const Tokenizer& tokenizer) {
  for (const auto& known : kKnown) {
    if (tokenizer.chat_template().find(known.opens) != std::string::npos && tokenizer.id_of(known.opens) &&
        tokenizer.id_of(known.closes))
      return known.marks;
  }
  return std::nullopt;
}

std::string ask(const ChatMarks& marks, std::string_view request) {
  std::string text(marks.before_request);
  text += request;
  text += marks.before_answer;
  return text;
}

}  // namespace assay
