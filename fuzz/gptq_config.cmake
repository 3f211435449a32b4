assay_fuzz(gptq_config SOURCE fuzz_gptq_config.cc DEPS formats)
