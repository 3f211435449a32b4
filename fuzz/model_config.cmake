assay_fuzz(model_config SOURCE fuzz_model_config.cc DEPS engine)
