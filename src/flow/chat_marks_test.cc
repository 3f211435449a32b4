#include "flow/chat_marks.h"

#include "support/testing.h"

namespace assay {
namespace {

Tokenizer golden_tokenizer(const std::string& name, const std::string& chat_template) {
  const std::string file = read_bytes(golden("tokenizers/" + name + ".tokenizer.json"));
  auto tokenizer = Tokenizer::from_tokenizer_json(as_bytes(file), {}, chat_template);
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

const std::string kChatMl = "'<|im_start|>' + message.role", kGemma = "<start_of_turn>{{ role }}";

TEST(ChatMarks, AreThoseOfTheTemplate) {
  const auto chatml = find_chat_marks(golden_tokenizer("qwen2_style", kChatMl));
  ASSERT_TRUE(chatml);
  EXPECT_EQ(ask(*chatml, "Why?"), "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
  const auto gemma = find_chat_marks(golden_tokenizer("gemma_style", kGemma));
  ASSERT_TRUE(gemma);
  EXPECT_EQ(ask(*gemma, "Why?"), "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n");
}

TEST(ChatMarks, BecomeTheirTokens) {
  const Tokenizer tokenizer = golden_tokenizer("qwen2_style", kChatMl);
  const auto ids = tokenizer.encode(ask(*find_chat_marks(tokenizer), "Why?"), false);
  ASSERT_THAT(ids, IsOk());
  EXPECT_EQ(ids->front(), tokenizer.id_of("<|im_start|>"));
  EXPECT_THAT(*ids, testing::Contains(*tokenizer.id_of("<|im_end|>")));
}

TEST(ChatMarks, AreNoneWithoutATemplateOrWhereTheVocabularyLacksThem) {
  EXPECT_FALSE(find_chat_marks(golden_tokenizer("qwen2_style", "")));
  EXPECT_FALSE(find_chat_marks(golden_tokenizer("qwen2_style", kGemma)));
  EXPECT_FALSE(find_chat_marks(golden_tokenizer("folding_style", kChatMl)));
  EXPECT_FALSE(find_chat_marks(golden_tokenizer("metaspace_style", kChatMl))) << "has one of two";
}

}  // namespace
}  // namespace assay
