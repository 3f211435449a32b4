"""The models of make_detr_goldens.py: configurations, sizes, and the names that published checkpoints give their tensors.

A case's "names" turns the names that transformers 5 has in memory into those of the published files; transformers undoes
them on loading (conversion_mapping.py).
"""
import contextlib

import timm
import transformers as hf

LABELS = {i: f"label {i}" for i in range(7)}
SIDE = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_pad": True,
        "size": {"shortest_edge": 800, "longest_edge": 1333}, "resample": 2, "format": "coco_detection"}
CHANNELS, DEPTHS, STEM = (4, 4, 8, 12), (1, 2, 1, 2), 64  # timm fixes the stem's width


@contextlib.contextmanager
def tiny_timm():
    """timm's own ResNet class under the name that the published configurations give, with few channels."""
    def tiny(pretrained=False, **options):
        options.pop("pretrained_cfg", None), options.pop("pretrained_cfg_overlay", None), options.pop("cache_dir", None)
        return timm.models._builder.build_model_with_cfg(
            timm.models.resnet.ResNet, "resnet50", False, block=timm.models.resnet.Bottleneck, layers=DEPTHS,
            channels=CHANNELS, pretrained_cfg={}, **options)

    registry = timm.models._registry._model_entrypoints
    kept = registry["resnet50"], registry["resnet101"]
    registry["resnet50"] = registry["resnet101"] = tiny
    try:
        yield
    finally:
        registry["resnet50"], registry["resnet101"] = kept


def resnet(**more):
    return hf.ResNetConfig(embedding_size=STEM, hidden_sizes=[4 * c for c in CHANNELS], depths=list(DEPTHS),
                           layer_type="bottleneck", **more)


SMALL = dict(d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
             encoder_ffn_dim=36, decoder_ffn_dim=28, num_queries=9, id2label=LABELS,
             label2id={v: k for k, v in LABELS.items()})
TRANSFORMER = [(r"\.o_proj\.", ".out_proj."), (r"(layers\.\d+)\.mlp\.fc", r"\1.fc")]
BACKBONE = [(r"^model\.backbone\.model\.", "model.backbone.conv_encoder.model.")]


def as_published(config):
    """config.json the way transformers 4 wrote it."""
    written = config.to_diff_dict()
    written["transformers_version"] = "4.30.0"
    written["id2label"] = {str(k): v for k, v in config.id2label.items()}
    written["label2id"] = config.label2id
    return written


def json_of(architecture, timm_name=None):
    def write(config):
        written = as_published(config)
        written["architectures"] = [architecture]
        for key in ("d_model", "encoder_attention_heads", "decoder_attention_heads", "num_queries", "encoder_ffn_dim",
                    "decoder_ffn_dim", "encoder_layers", "decoder_layers", "activation_function",
                    "position_embedding_type", "dilation"):
            if hasattr(config, key):
                written[key] = getattr(config, key)
        if timm_name:
            written.update(backbone=timm_name, backbone_config=None, use_timm_backbone=True, use_pretrained_backbone=True,
                           backbone_kwargs={"channels": list(CHANNELS), "layers": list(DEPTHS)})
        return written
    return write


def timm_case(name, make, architecture, **more):
    return dict(backbone=tiny_timm, config=make, config_json=json_of(architecture, name), timm=True, **more)


def native_case(make, architecture, **more):
    return dict(backbone=contextlib.nullcontext, config=make, config_json=json_of(architecture), **more)


DETR = dict(takes_mask=True, processor={**SIDE, "image_processor_type": "DetrImageProcessor"},
            sizes=[(64, 96), (96, 32)], padded=(96, 96, 40, 60), names=TRANSFORMER + BACKBONE)
DETR["class"] = hf.DetrForObjectDetection
CASES = {
    "detr-timm": timm_case("resnet50", lambda: hf.DetrConfig(**SMALL), "DetrForObjectDetection", **DETR,
                           note="as facebook/detr-resnet-50: timm backbone, transformers 4 names"),
    "detr-dc5-timm": timm_case("resnet101", lambda: hf.DetrConfig(**SMALL, backbone="resnet101", dilation=True),
                               "DetrForObjectDetection", **DETR,
                               note="as facebook/detr-resnet-101-dc5: timm backbone with dilation, transformers 4 names"),
    "detr-native": native_case(lambda: hf.DetrConfig(**SMALL, backbone_config=resnet(out_features=["stage4"]),
                                                     use_timm_backbone=False),
                               "DetrForObjectDetection", **DETR,
                               note="backbone of transformers (ResNetBackbone), transformers 4 names"),
    "detr-native-v5": native_case(lambda: hf.DetrConfig(**SMALL, backbone_config=resnet(out_features=["stage4"]),
                                                        use_timm_backbone=False),
                                  "DetrForObjectDetection", **DETR, saved_by_transformers=True,
                                  note="as save_pretrained of transformers 5.24 writes it"),
}
