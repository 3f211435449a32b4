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
            written.update(backbone=timm_name, backbone_config=None, use_timm_backbone=True, use_pretrained_backbone=True)
        return written
    return write


def timm_case(name, make, architecture, **more):
    return dict(backbone=tiny_timm, config=make, config_json=json_of(architecture, name), timm=True,
                unlike_published={"backbone_kwargs": {"channels": list(CHANNELS), "layers": list(DEPTHS)}}, **more)


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
                                  "DetrForObjectDetection", **{**DETR, "names": []},
                                  note="the names that transformers 5 has in memory (state_dict of the model)"),
}

VD = [(r"encoder\.aifi\.(\d+)\.layers", r"encoder.encoder.\1.layers")]
PLAIN = {"do_resize": True, "size": {"height": 640, "width": 640}, "resample": 2, "do_rescale": True, "do_pad": False,
         "rescale_factor": 1 / 255, "do_normalize": False, "image_mean": [0.485, 0.456, 0.406],
         "image_std": [0.229, 0.224, 0.225], "image_processor_type": "RTDetrImageProcessor"}
RT = {"takes_mask": False, "processor": PLAIN, "names": TRANSFORMER + VD, "sizes": [(64, 96), (96, 32)]}


def vd(layer_type, widths, depths):
    return dict(model_type="rt_detr_resnet", embedding_size=8, hidden_sizes=widths, depths=depths, layer_type=layer_type,
                out_features=["stage2", "stage3", "stage4"])


HYBRID = dict(d_model=16, encoder_hidden_dim=16, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=24,
              decoder_ffn_dim=24, decoder_in_channels=[16, 16, 16], decoder_layers=2, num_queries=11, num_denoising=100,
              id2label=LABELS, label2id={v: k for k, v in LABELS.items()})


def hybrid(kind, backbone, **more):
    return lambda: kind(**{**HYBRID, "backbone_config": backbone, **more})


R50, R18 = vd("bottleneck", [16, 16, 24, 32], [1, 2, 1, 1]), vd("basic", [8, 8, 12, 16], [2, 1, 1, 2])
HG = dict(model_type="hgnet_v2", stem_channels=[3, 8, 8], stage_in_channels=[8, 8, 16, 24], stage_mid_channels=[4, 4, 8, 8],
          stage_out_channels=[8, 16, 24, 32], hidden_sizes=[8, 16, 24, 32], embedding_size=8, stage_num_blocks=[1, 1, 2, 1],
          stage_numb_of_layers=[2, 2, 2, 2])
DFINE_NAMES = [(r"\.o_proj\.", ".out_proj."), (r"(layers\.\d+)\.mlp\.layers\.0", r"\1.fc1"),
               (r"(layers\.\d+)\.mlp\.layers\.1", r"\1.fc2")] + VD
NO_COPIES = r"^(class|bbox)_embed\."  # tied to those in model.decoder, and not stored
DFINE = {**RT, "names": DFINE_NAMES, "left_out": NO_COPIES, "ties": NO_COPIES}
RT["class"] = hf.RTDetrForObjectDetection
RT2 = {**RT, "left_out": NO_COPIES, "ties": NO_COPIES, "class": hf.RTDetrV2ForObjectDetection}
DFINE["class"] = hf.DFineForObjectDetection
CASES |= {
    "rtdetr-r50vd": native_case(hybrid(hf.RTDetrConfig, R50, encoder_in_channels=[16, 24, 32]),
                                "RTDetrForObjectDetection", **RT, note="as PekingU/rtdetr_r50vd"),
    "rtdetr-r18vd": native_case(hybrid(hf.RTDetrConfig, R18, encoder_in_channels=[8, 12, 16], hidden_expansion=0.5),
                                "RTDetrForObjectDetection", **RT, note="as PekingU/rtdetr_r18vd"),
    "rtdetr-v2-r18vd": native_case(hybrid(hf.RTDetrV2Config, R18, encoder_in_channels=[8, 12, 16], hidden_expansion=0.5),
                                   "RTDetrV2ForObjectDetection", **RT2, note="as PekingU/rtdetr_v2_r18vd"),
    "dfine": native_case(
        hybrid(hf.DFineConfig, {**HG, "use_learnable_affine_block": True, "out_features": ["stage2", "stage3", "stage4"]},
               encoder_in_channels=[16, 24, 32], hidden_expansion=0.5, depth_mult=0.34, decoder_n_points=[3, 6, 3],
               lqe_hidden_dim=16),
        "DFineForObjectDetection", **DFINE, note="as ustc-community/dfine-small-coco"),
    "dfine-two-levels": native_case(
        hybrid(hf.DFineConfig, {**HG, "use_learnable_affine_block": False, "out_features": ["stage3", "stage4"]},
               encoder_in_channels=[24, 32], feat_strides=[16, 32], num_feature_levels=2, encode_proj_layers=[1],
               decoder_in_channels=[16, 16], hidden_expansion=0.34, depth_mult=0.5, decoder_n_points=[6, 6],
               lqe_hidden_dim=16),
        "DFineForObjectDetection", **DFINE, note="two levels as in ustc-community/dfine-nano-coco, no affine blocks"),
}

DEFORMABLE = {"class": hf.DeformableDetrForObjectDetection, "takes_mask": True, "sizes": [(64, 96), (96, 32)],
              "padded": (96, 96, 40, 60), "names": BACKBONE + [(r"self_attn\.o_proj", "self_attn.out_proj"), TRANSFORMER[1]],
              "processor": {**SIDE, "image_processor_type": "DeformableDetrImageProcessor"}}
SHARED = r"^(class|bbox)_embed\.[1-9]"  # without refinement every layer has the same head, stored once
COPIES = r"^model\.decoder\.(class|bbox)_embed\."


def deformable(**more):
    return lambda: hf.DeformableDetrConfig(**{**SMALL, "d_model": 32, "two_stage_num_proposals": 9, **more})


CONDITIONAL_NAMES = BACKBONE + [TRANSFORMER[1], (r"(self_attn|encoder_attn)\.o_proj", r"\1.out_proj")] + [
    (rf"(decoder\.layers\.\d+)\.{module}\.{new}\.", rf"\1.{old}.")
    for module, side in [("self_attn", "sa"), ("encoder_attn", "ca")]
    for new, old in [("q_content_proj", side + "_qcontent_proj"), ("q_pos_proj", side + "_qpos_proj"),
                     ("k_content_proj", side + "_kcontent_proj"), ("k_pos_proj", side + "_kpos_proj"),
                     ("v_proj", side + "_v_proj"), ("q_pos_sine_proj", side + "_qpos_sine_proj")]]
CONDITIONAL = {**DETR, "class": hf.ConditionalDetrForObjectDetection, "names": CONDITIONAL_NAMES,
               "processor": {**SIDE, "image_processor_type": "ConditionalDetrImageProcessor"}}
YOLOS = {"class": hf.YolosForObjectDetection, "takes_mask": False, "sizes": [(64, 96), (96, 48)],
         "names": [(r"encoder\.interpolation\.mid_position", "encoder.mid_position")],
         "processor": {**SIDE, "image_processor_type": "YolosImageProcessor"}}


def yolos(**more):
    return lambda: hf.YolosConfig(hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=40,
                                  num_detection_tokens=9, id2label=LABELS, label2id={v: k for k, v in LABELS.items()}, **more)


CASES |= {
    "deformable": timm_case("resnet50", deformable(num_feature_levels=4, d_model=64, encoder_layers=1),
                            "DeformableDetrForObjectDetection", **DEFORMABLE, left_out=SHARED, ties=SHARED,
                            note="as SenseTime/deformable-detr: four levels, a head shared by all layers"),
    "deformable-single-scale": timm_case("resnet50", deformable(num_feature_levels=1), "DeformableDetrForObjectDetection",
                                         **DEFORMABLE, left_out=SHARED, ties=SHARED,
                                         note="as SenseTime/deformable-detr-single-scale"),
    "deformable-refine": timm_case("resnet50", deformable(with_box_refine=True), "DeformableDetrForObjectDetection",
                                   **DEFORMABLE, left_out=COPIES, ties=COPIES,
                                   note="as SenseTime/deformable-detr-with-box-refine"),
    "deformable-two-stage": timm_case("resnet50", deformable(with_box_refine=True, two_stage=True),
                                      "DeformableDetrForObjectDetection", **DEFORMABLE, left_out=COPIES, ties=COPIES,
                                      note="as SenseTime/deformable-detr-with-box-refine-two-stage"),
    "conditional": timm_case("resnet50", lambda: hf.ConditionalDetrConfig(**SMALL), "ConditionalDetrForObjectDetection",
                             **CONDITIONAL, note="as microsoft/conditional-detr-resnet-50"),
    "yolos": native_case(yolos(image_size=[80, 70], use_mid_position_embeddings=False), "YolosForObjectDetection", **YOLOS,
                         note="as hustvl/yolos-tiny: no position embeddings between the layers"),
    "yolos-mid": native_case(yolos(image_size=[80, 64], use_mid_position_embeddings=True), "YolosForObjectDetection",
                             **YOLOS, note="as hustvl/yolos-small: position embeddings after every layer but the last"),
}
