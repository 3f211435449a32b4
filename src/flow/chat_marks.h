// How models that were trained on conversations mark what is asked and where their answer begins.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace assay {

struct ChatMarks {
  std::string_view before_request;
  std::string_view before_answer;
};

// The marks that the tokenizer's chat template uses and its vocabulary holds: ChatML (SmolLM2, Qwen),
// Gemma's, Llama 3's or Phi-3's; none without a template, as base models are, which share their vocabulary
// with the models made from them but know no conversations.
std::optional<ChatMarks> find_chat_marks(const Tokenizer& tokenizer);

// `request` between the marks, ready for the model's answer, without what the tokenizer puts before a text.
std::string ask(const ChatMarks& marks, std::string_view request);

}  // namespace assay
