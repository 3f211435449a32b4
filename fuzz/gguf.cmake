assay_fuzz(gguf SOURCE fuzz_gguf.cc DEPS formats)
