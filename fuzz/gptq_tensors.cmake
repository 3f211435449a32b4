assay_fuzz(gptq_tensors SOURCE fuzz_gptq_tensors.cc DEPS formats)
