assay_fuzz(safetensors SOURCE fuzz_safetensors.cc DEPS formats)
