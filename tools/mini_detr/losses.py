"""DETR's set loss on all layers and groups at once, denoising groups, and the dense heads' loss. Shapes are static and
nothing waits for the device, so that a whole training step can be captured as a graph."""
import torch
import torch.nn.functional as F

from .matching import MAX_OBJECTS, assign
from .model import CATEGORIES

NO_OBJECT = len(CATEGORIES)


def corners(boxes):
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


def area(sides):
    return sides[..., 0] * sides[..., 1]  # prod() would wait for the device in its derivative


def overlaps(a, b):
    """IoU and generalized IoU of boxes (cx, cy, w, h), broadcast."""
    a, b = corners(a), corners(b)
    shared = area((torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0))
    hull = area(torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2]))
    union = area(a[..., 2:] - a[..., :2]) + area(b[..., 2:] - b[..., :2]) - shared
    iou = shared / union.clamp(min=1e-7)
    return iou, iou - (hull - union) / hull.clamp(min=1e-7)


def denoising_anchors(boxes, labels, groups, queries):
    """Anchors [B, groups, queries, 4]: an image's boxes moved a little (to be found again), the same moved much (nothing
    there), and random ones. Slots without an object are random too."""
    batch, device = len(boxes), boxes.device
    valid = (labels >= 0)[:, None, :, None]
    random = torch.rand(batch, groups, queries, 4, device=device) * 0.9 + 0.05
    random[..., 2:] = random[..., 2:] ** 2 * 0.8 + 0.02
    def moved(low, high):
        noise = torch.rand(batch, groups, MAX_OBJECTS, 4, device=device) * 2 - 1
        noise = torch.sign(noise) * (low + (high - low) * noise.abs())
        size = boxes[:, None, :, 2:]
        return torch.cat((boxes[:, None, :, :2] + noise[..., :2] * size * 0.5, size * (1 + noise[..., 2:] * 0.5)), dim=-1)
    near = torch.where(valid, moved(0.0, 0.8), random[:, :, :MAX_OBJECTS])
    far = torch.where(valid, moved(1.2, 1.9), random[:, :, MAX_OBJECTS:2 * MAX_OBJECTS])
    return torch.cat((near, far, random[:, :, 2 * MAX_OBJECTS:]), dim=2).clamp(0.005, 1)


def class_loss(logits, labels, quality, empty_weight):
    """Cross entropy; a query with an object wants `quality` for its class and the rest for "no object"."""
    log = logits.float().log_softmax(-1)
    of_class = log.gather(-1, labels[..., None])[..., 0]
    empty = log[..., NO_OBJECT]
    found = labels != NO_OBJECT
    return -torch.where(found, quality * of_class + (1 - quality) * empty, empty_weight * empty).sum()


def set_loss(logits, raw_boxes, boxes, labels, learned_groups, softness, empty_weight):
    """logits [L, B, G, Q, C + 1]; the first `learned_groups` groups are matched, those after them are denoising."""
    layers, batch, groups, queries, _ = logits.shape
    valid = labels >= 0  # [B, MAX_OBJECTS]
    safe = labels.clamp(min=0)
    predicted = raw_boxes.float().sigmoid()
    with torch.no_grad():
        own = predicted[:, :, :learned_groups]
        probability = logits[:, :, :learned_groups].float().softmax(-1)
        index = safe[None, :, None, None, :].expand(layers, -1, learned_groups, queries, -1)
        wanted = boxes[None, :, None, None]  # [1, B, 1, 1, MAX, 4]
        distance = (own[..., None, :] - wanted).abs().sum(-1)
        cost = 5 * distance - 2 * overlaps(own[..., None, :], wanted)[1] - 2 * probability.gather(-1, index)
        matched = assign(cost, valid.sum(1, dtype=torch.int32))
        fixed = torch.arange(MAX_OBJECTS, device=labels.device).expand(layers, batch, groups - learned_groups, -1)
        query = torch.cat((matched, fixed), dim=2)  # [L, B, G, MAX]
    mine = predicted.gather(3, query[..., None].expand(-1, -1, -1, -1, 4))
    theirs = boxes[None, :, None]
    mask = valid[None, :, None].float()
    iou, giou = overlaps(mine, theirs)
    box = (5 * (mine - theirs).abs().sum(-1) + 2 * (1 - giou)) * mask
    with torch.no_grad():
        slots = torch.full((layers, batch, groups, queries + 1), NO_OBJECT, device=labels.device)
        # Objects that are not there write into a slot of their own, which is cut off.
        to = torch.where(valid[None, :, None], query, queries)
        slots.scatter_(3, to, safe[None, :, None].expand(layers, -1, groups, -1))
        quality = torch.zeros(layers, batch, groups, queries + 1, device=labels.device)
        quality.scatter_(3, to, 1 - softness + softness * iou.detach().clamp(0, 1).sqrt())
    classes = class_loss(logits, slots[..., :queries], quality[..., :queries], empty_weight)
    count = valid.sum().clamp(min=1) * groups
    return 2 * classes / count, box.sum() / count, (iou * mask)[-1, :, 0].sum() / valid.sum().clamp(min=1)


def cell_targets(boxes, labels, side):
    """For each cell the smallest object whose inner part (or centre) it holds, or none: index [B, cells], found."""
    at = (torch.arange(side, device=boxes.device) + 0.5) / side
    cells = torch.stack((at.repeat(side), at.repeat_interleave(side)), dim=-1)  # [cells, 2] x, y
    away = (cells[None, :, None] - boxes[:, None, :, :2]).abs()
    reach = torch.maximum(boxes[:, None, :, 2:] * 0.3, torch.full_like(boxes[:, None, :, 2:], 0.51 / side))
    inside = (away <= reach).all(-1) & (labels >= 0)[:, None]
    areas = torch.where(inside, area(boxes[..., 2:])[:, None], torch.inf)
    least, index = areas.min(-1)
    return cells, index, least < torch.inf


def dense_loss(logits, raw, boxes, labels, side, relative):
    cells, index, found = cell_targets(boxes, labels, side)
    wanted = boxes.gather(1, index[..., None].expand(-1, -1, 4))
    raw = raw.float()
    if relative:
        predicted = torch.cat((cells + raw[..., :2] / side, raw[..., 2:].sigmoid()), dim=-1)
    else:
        predicted = raw.sigmoid()
    iou, giou = overlaps(predicted, wanted)
    mask = found.float()
    box = ((5 * (predicted - wanted).abs().sum(-1) + 2 * (1 - giou)) * mask).sum()
    target = torch.where(found, labels.gather(1, index), NO_OBJECT)
    classes = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none")
    weight = torch.where(found, 1.0, 0.2).flatten()
    count = mask.sum().clamp(min=1)
    return (2 * (classes * weight).sum() + box) / count


def training_loss(model, pixels, boxes, labels, softness, empty_weight=0.2):
    """The sum, and what is worth logging: [class, box, dense, IoU of the first group's last layer]."""
    sizes = model.sizes
    batch, side = len(pixels), pixels.shape[-1] // 16
    features, memory = model.encode(pixels)
    learned = model.train_anchors.sigmoid().expand(batch, -1, -1, -1)
    noised = denoising_anchors(boxes, labels, sizes.denoising_groups, sizes.queries)
    anchors = torch.cat((learned, noised), dim=1)
    logits, raw = model.decode(memory, model.query_positions(anchors.flatten(1, 2)))
    shape = (anchors.shape[1], sizes.queries)
    classes, box, iou = set_loss(logits.unflatten(2, shape), raw.unflatten(2, shape), boxes, labels, sizes.groups,
                                 softness, empty_weight)
    with torch.autocast(pixels.device.type, enabled=False):
        features, memory = features.float(), memory.float()
    near = dense_loss(model.train_near_class(features), model.train_near_box(features), boxes, labels, side, True)
    far = dense_loss(model.train_far_class(memory), model.train_far_box(memory), boxes, labels, side, False)
    total = classes + box + 0.5 * near + far
    return total, torch.stack((classes.detach(), box.detach(), (near + far).detach(), iou.detach()))
