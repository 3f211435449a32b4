assay_fuzz(tokenizer_json SOURCE fuzz_tokenizer_json.cc DEPS text)
