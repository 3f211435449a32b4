assay_fuzz(tflite_quantize SOURCE fuzz_tflite_quantize.cc DEPS quant)
