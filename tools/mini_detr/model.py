"""DETR as transformers' DetrForObjectDetection computes it, tensor by tensor under the same names, with what training
alone needs: batch normalization that learns, many groups of queries, anchors that become query embeddings, dense heads.

`DetrConfig` below holds the sizes; `hf_config` gives transformers' config.json of them.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

CATEGORIES = ["ball", "ring", "cube", "star", "heart", "mug", "fish", "house", "key", "mushroom"]
SIDE = 256


@dataclass
class Sizes:
    embedding: int = 32
    hidden: tuple = (32, 64, 128)
    depths: tuple = (2, 2, 4)
    d_model: int = 128
    ffn: int = 512
    heads: int = 8
    encoder_layers: int = 3
    decoder_layers: int = 3
    queries: int = 30
    groups: int = 6  # of queries in training; the first is the model's
    denoising_groups: int = 2


class ConvLayer(nn.Module):
    def __init__(self, inputs, outputs, kernel=3, stride=1, activation=True):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.normalization = nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.02)
        self.activation = nn.ReLU() if activation else nn.Identity()
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        return self.activation(self.normalization(self.convolution(x)))


class Embedder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.embedder = ConvLayer(3, sizes.embedding, 7, 2)
        self.pooler = nn.MaxPool2d(3, 2, 1)

    def forward(self, x):
        return self.pooler(self.embedder(x))


class BasicLayer(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else ConvLayer(inputs, outputs, 1, stride, activation=False)
        self.layer = nn.Sequential(ConvLayer(inputs, outputs, 3, stride), ConvLayer(outputs, outputs, activation=False))

    def forward(self, x):
        return F.relu(self.layer(x) + self.shortcut(x))


class Stage(nn.Module):
    def __init__(self, inputs, outputs, stride, depth):
        super().__init__()
        self.layers = nn.Sequential(*[BasicLayer(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1)
                                      for i in range(depth)])

    def forward(self, x):
        return self.layers(x)


class ResNet(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.embedder = Embedder(sizes)
        self.encoder = nn.Module()
        before = (sizes.embedding, *sizes.hidden)
        self.encoder.stages = nn.ModuleList(
            Stage(before[i], before[i + 1], 1 if i == 0 else 2, depth) for i, depth in enumerate(sizes.depths))

    def forward(self, x):
        x = self.embedder(x)
        for stage in self.encoder.stages:
            x = stage(x)
        return x


class Attention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads = sizes.heads
        for name in ("k_proj", "v_proj", "q_proj", "o_proj"):
            linear = nn.Linear(sizes.d_model, sizes.d_model)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
            setattr(self, name, linear)

    def forward(self, queries, keys, values):
        def split(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        out = F.scaled_dot_product_attention(
            split(self.q_proj(queries)), split(self.k_proj(keys)), split(self.v_proj(values)))
        return self.o_proj(out.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.fc1 = nn.Linear(sizes.d_model, sizes.ffn)
        self.fc2 = nn.Linear(sizes.ffn, sizes.d_model)
        for linear in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


class EncoderLayer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.self_attn = Attention(sizes)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.d_model)
        self.mlp = Mlp(sizes)
        self.final_layer_norm = nn.LayerNorm(sizes.d_model)

    def forward(self, x, position):
        placed = x + position
        x = self.self_attn_layer_norm(x + self.self_attn(placed, placed, x))
        return self.final_layer_norm(x + self.mlp(x))


class DecoderLayer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.queries = sizes.queries
        self.self_attn = Attention(sizes)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.d_model)
        self.encoder_attn = Attention(sizes)
        self.encoder_attn_layer_norm = nn.LayerNorm(sizes.d_model)
        self.mlp = Mlp(sizes)
        self.final_layer_norm = nn.LayerNorm(sizes.d_model)

    def forward(self, x, query_position, memory, placed_memory):
        # Queries see those of their own group only: groups stand in the batch for this attention.
        batch, count, width = x.shape
        grouped = (x + query_position).reshape(-1, self.queries, width)
        seen = self.self_attn(grouped, grouped, x.reshape(-1, self.queries, width)).reshape(batch, count, width)
        x = self.self_attn_layer_norm(x + seen)
        x = self.encoder_attn_layer_norm(x + self.encoder_attn(x + query_position, placed_memory, memory))
        return self.final_layer_norm(x + self.mlp(x))


class BoxHead(nn.Module):
    def __init__(self, width, outputs=4):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, outputs)])

    def forward(self, x):
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


def sine_positions(side, d_model):
    """transformers' DetrSinePositionEmbedding (normalized) of a square map without padding: [side * side, d_model]."""
    features = d_model // 2
    at = torch.arange(1, side + 1, dtype=torch.float32) / (side + 1e-6) * 2 * math.pi
    index = torch.arange(features)
    angle = at[:, None] / 10000 ** (2 * (index // 2) / features)
    line = torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)  # [side, features]
    return torch.cat((line[:, None].expand(side, side, -1), line[None].expand(side, side, -1)), dim=2).flatten(0, 1)


def box_sines(boxes, width):
    """Boxes (cx, cy, w, h in 0..1) [..., 4] as sines: [..., width]."""
    count = width // 8
    frequency = 2 * math.pi * 2 ** torch.linspace(-1, 5, count, device=boxes.device)
    angle = boxes[..., None] * frequency
    return torch.cat((angle.sin(), angle.cos()), dim=-1).flatten(-2)


class Detr(nn.Module):
    """`model.*`, `class_labels_classifier.*` and `bbox_predictor.*` are transformers'; `train_*` stay behind."""

    def __init__(self, sizes=Sizes()):
        super().__init__()
        self.sizes = sizes
        width, classes = sizes.d_model, len(CATEGORIES) + 1
        self.model = nn.Module()
        self.model.backbone = nn.Module()
        self.model.backbone.model = ResNet(sizes)
        self.model.input_projection = nn.Conv2d(sizes.hidden[-1], width, 1)
        self.model.encoder = nn.Module()
        self.model.encoder.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.encoder_layers))
        self.model.decoder = nn.Module()
        self.model.decoder.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.decoder_layers))
        self.model.decoder.layernorm = nn.LayerNorm(width)
        self.class_labels_classifier = nn.Linear(width, classes)
        self.bbox_predictor = BoxHead(width)

        # Query embeddings are a function of an anchor box, for learned queries and noised boxes alike.
        anchors = torch.rand(sizes.groups, sizes.queries, 4) * 0.8 + 0.1
        anchors[..., 2:] = torch.rand(sizes.groups, sizes.queries, 2) * 0.4 + 0.08
        self.train_anchors = nn.Parameter(torch.logit(anchors))
        self.train_anchor_mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        # Every cell says what it belongs to: relative to the cell from the backbone, in absolute terms from the encoder,
        # so that the decoder finds positions in the memory's values, to which DETR adds none.
        self.train_near_class = nn.Linear(width, classes)
        self.train_near_box = BoxHead(width)
        self.train_far_class = nn.Linear(width, classes)
        self.train_far_box = BoxHead(width)
        self.register_buffer("train_positions", sine_positions(SIDE // 16, width), persistent=False)
        self.register_buffer("train_mean", torch.tensor([0.485, 0.456, 0.406]), persistent=False)
        self.register_buffer("train_std", torch.tensor([0.229, 0.224, 0.225]), persistent=False)

    def pixels(self, images):
        """[B, H, W, 3] of bytes to the backbone's input."""
        return ((images.float() / 255 - self.train_mean) / self.train_std).permute(0, 3, 1, 2)

    def query_positions(self, boxes):
        return self.train_anchor_mlp(box_sines(boxes, self.sizes.d_model))

    def encode(self, pixels):
        features = self.model.input_projection(self.model.backbone.model(pixels)).flatten(2).transpose(1, 2)
        memory = features
        for layer in self.model.encoder.layers:
            memory = layer(memory, self.train_positions)
        return features, memory

    def decode(self, memory, query_position):
        """Logits and boxes (before the sigmoid) of every layer: [layers, B, queries, ...]."""
        x = torch.zeros_like(query_position)
        placed = memory + self.train_positions
        states = []
        for layer in self.model.decoder.layers:
            x = layer(x, query_position, memory, placed)
            states.append(self.model.decoder.layernorm(x))
        states = torch.stack(states)
        # Boxes of half precision would be a pixel off.
        with torch.autocast(states.device.type, enabled=False):
            return self.heads(states.float())

    def heads(self, states):
        return self.class_labels_classifier(states), self.bbox_predictor(states)

    @torch.no_grad()
    def detect(self, images):
        """What transformers' model gives: logits [B, queries, classes + 1], boxes [B, queries, 4]."""
        _, memory = self.encode(self.pixels(images))
        positions = self.query_positions(self.train_anchors[0].sigmoid()).expand(len(images), -1, -1)
        logits, boxes = self.decode(memory, positions)
        return logits[-1], boxes[-1].sigmoid()

    @torch.no_grad()
    def exported(self):
        """transformers' state, float32."""
        state = {k: v for k, v in self.state_dict().items()
                 if not k.startswith("train_") and not k.endswith("num_batches_tracked")}
        state["model.query_position_embeddings.weight"] = self.query_positions(self.train_anchors[0].sigmoid())
        return {k: v.float().cpu().contiguous() for k, v in state.items()}


def hf_config(sizes):
    return {
        "architectures": ["DetrForObjectDetection"], "model_type": "detr", "torch_dtype": "float16",
        "use_timm_backbone": False, "backbone": None, "use_pretrained_backbone": False,
        "backbone_config": {
            "model_type": "resnet", "num_channels": 3, "embedding_size": sizes.embedding,
            "hidden_sizes": list(sizes.hidden), "depths": list(sizes.depths), "layer_type": "basic",
            "hidden_act": "relu", "downsample_in_first_stage": False, "downsample_in_bottleneck": False,
            "out_features": [f"stage{len(sizes.depths)}"]},
        "num_channels": 3, "num_queries": sizes.queries, "d_model": sizes.d_model,
        "encoder_layers": sizes.encoder_layers, "encoder_ffn_dim": sizes.ffn,
        "encoder_attention_heads": sizes.heads, "decoder_layers": sizes.decoder_layers,
        "decoder_ffn_dim": sizes.ffn, "decoder_attention_heads": sizes.heads,
        "activation_function": "relu", "position_embedding_type": "sine", "dropout": 0.0,
        "attention_dropout": 0.0, "activation_dropout": 0.0, "auxiliary_loss": False,
        "is_encoder_decoder": True, "dilation": False,
        "id2label": {str(i): name for i, name in enumerate(CATEGORIES)},
        "label2id": {name: i for i, name in enumerate(CATEGORIES)}}


PREPROCESSOR = {
    "image_processor_type": "DetrImageProcessor", "format": "coco_detection", "do_resize": True,
    "size": {"height": SIDE, "width": SIDE}, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    "do_pad": False}
