assay_fuzz(safetensors_index SOURCE fuzz_safetensors_index.cc DEPS formats)
