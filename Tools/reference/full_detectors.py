#!/usr/bin/env python3
"""Objects that full-size detectors find in two pictures, computed by mmdetection's modules.

    Tools/reference/full_detectors.py SOURCES [OUT [PART]]

SOURCES and the Python packages are those of families.py, with detection/pvt.py in pvt, and
swin_detection (SwinTransformer/Swin-Transformer-Object-Detection); torchvision and pycocotools besides. OUT is
Tests/FullSizeFixtures/detectors unless given; with PART only the detectors whose config's name has it are computed.
Weights follow from names and indices, as in full_size.py. So that random weights find some tens of objects of many
classes, the last layers are adjusted (`calibrate_retinanet`, `calibrate_two_stage`), and the adjustments are written
beside the results.

mmcv-lite has no compiled operators: torchvision's nms and roi_align take their places.
"""
import copy
import json
import os
import runpy
import sys
import types
import zlib

import numpy
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/FullSizeFixtures/detectors")
PART = sys.argv[3] if len(sys.argv) > 3 else ""
S = runpy.run_path(os.path.join(HERE, "full_size.py"), run_name="full_size")
O, values, mixed = S["O"], S["values"], S["mixed"]

import cv2  # noqa: E402
import mmcv  # noqa: E402
import mmdet  # noqa: E402
import mmdet.models  # noqa: E402
import torchvision  # noqa: E402
from mmcv.transforms import LoadImageFromFile  # noqa: E402
from mmdet.datasets.transforms import PackDetInputs, Resize  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from pycocotools import mask as coco_masks  # noqa: E402

DefaultScope.get_instance("full_detectors", scope_name="mmdet")
sys.modules["mmcv._ext"].nms = lambda boxes, scores, iou_threshold, offset: torchvision.ops.nms(
    boxes, scores, iou_threshold)
torch.set_grad_enabled(False)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

# Pictures


def scene(name, width, height):
    """A drawn picture `[height, width, 3]`: a slope of colours, then shapes, some with stripes."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.int64)
    picture = numpy.stack(
        [90 + 60 * y // height, 110 + 50 * x // width, 170 - 80 * y // height], axis=2)
    for index in range(70):
        n = [int(v) for v in mixed(f"{name}.{index}", 16)]
        across = 12 + n[0] % (width // 5 if index < 45 else width // 12)
        down = 12 + n[1] % (height // 5 if index < 45 else height // 12)
        middle = (n[2] % width, n[3] % height)
        dx, dy = x - middle[0], y - middle[1]
        if n[4] % 3 == 0:
            inside = (abs(dx) <= across) & (abs(dy) <= down)
        elif n[4] % 3 == 1:
            inside = dx * dx * down * down + dy * dy * across * across <= (across * down) ** 2
        else:
            inside = abs(dx) * down + abs(dy) * across <= across * down
        colour = numpy.array([n[5] % 256, n[6] % 256, n[7] % 256])
        if n[8] % 2:
            inside &= (dx * (n[9] % 5 - 2) + dy * (n[10] % 5 - 2)) // (3 + n[11] % 9) % 2 == 0
        picture[inside] = colour
    return picture.astype(numpy.uint8)


PICTURES = [("scene_640x427", 640, 427), ("scene_375x500", 375, 500)]


def prepared(path):
    """The network's input `[1, 3, H, W]` in float32 and mmdetection's record of the picture."""
    steps = [
        LoadImageFromFile(), Resize(scale=(1333, 800), keep_ratio=True),
        PackDetInputs(meta_keys=("img_path", "ori_shape", "img_shape", "scale_factor")),
    ]
    results = {"img_path": path}
    for step in steps:
        results = step(results)
    preprocessor = MODELS.build(dict(
        type="DetDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True, pad_size_divisor=32))
    data = preprocessor({"inputs": [results["inputs"]], "data_samples": [results["data_samples"]]}, False)
    return data["inputs"], data["data_samples"]


# Models


class Placeholder(torch.nn.Module):
    """Stands for a backbone while mmdetection builds a detector."""


MODELS.register_module(module=Placeholder)


def flatten_pvt():
    model = O["flatten_pvt"].flatten_pvt_tiny(**S["LETTERS"])
    tables = {
        name: parameter.data for name, parameter in model.named_parameters()
        if name.endswith("positional_encoding")}

    def forward(self, x):
        maps = S["pyramid"](self, x, hasTable=True)
        for name, table in tables.items():  # `pyramid` left tables of this picture's size
            block, _, _ = name.rpartition(".")
            self.get_submodule(block).positional_encoding = torch.nn.Parameter(table.to(x.dtype))
        return maps

    model.forward = types.MethodType(forward, model)
    del model.norm, model.head
    return model


def pvt():
    code = O["module"]("pvt", "detection/pvt.py", [
        ("from mmdet.models.builder import BACKBONES\n", ""),
        ("from mmdet.utils import get_root_logger\n", ""),
        ("from mmcv.runner import load_checkpoint\n", ""),
        ("@BACKBONES.register_module()\n", ""),
    ])
    return code.pvt_tiny(pretrained=None)


def swin():
    code = O["module"]("swin_detection", "mmdet/models/backbones/swin_transformer.py", [
        ("from mmcv_custom import load_checkpoint\n", ""),
        ("from mmdet.utils import get_root_logger\n", ""),
        ("from ..builder import BACKBONES\n", ""),
        ("@BACKBONES.register_module()\n", ""),
    ])
    return code.SwinTransformer()


def base(name):
    path = os.path.join(os.path.dirname(mmdet.__file__), ".mim/configs/_base_/models", name)
    model = Config.fromfile(path).model
    model.backbone = ConfigDict(type="Placeholder")
    model.train_cfg = None
    del model.data_preprocessor
    return model


def torchvision_roi_align(model):
    for key in ("bbox_roi_extractor", "mask_roi_extractor"):
        model.roi_head[key].roi_layer.use_torchvision = True
    return model


def retinanet(channels):
    model = base("retinanet_r50_fpn.py")
    model.neck.in_channels = channels
    return model


def mask_rcnn(channels):
    model = torchvision_roi_align(base("mask-rcnn_r50_fpn.py"))
    model.neck.in_channels = channels
    return model


def cascade(channels):
    """With Swin's box heads: four convolutions with batch norm, one linear layer, a box for each class."""
    model = torchvision_roi_align(base("cascade-mask-rcnn_r50_fpn.py"))
    model.neck.in_channels = channels
    for head in model.roi_head.bbox_head:
        head.update(
            type="ConvFCBBoxHead", num_shared_convs=4, num_shared_fcs=1, conv_out_channels=256,
            reg_class_agnostic=False, norm_cfg=dict(type="BN"))
    return model


PVT_CHANNELS, SWIN_CHANNELS = [64, 128, 320, 512], [96, 192, 384, 768]
# The name of the config here, its backbone, its detector.
DETECTORS = [
    ("coco/flatten_pvt_t_mask_rcnn", flatten_pvt, mask_rcnn(PVT_CHANNELS)),
    ("coco/pvt_t_retinanet", pvt, retinanet(PVT_CHANNELS)),
    ("coco/swin_t_cascade_mask_rcnn", swin, cascade(SWIN_CHANNELS)),
]


class Adjustments:
    """What is done to parameters after `values`: an element becomes value * scale + offset, in float32, or
    is given."""

    def __init__(self):
        self.rules = []

    def add(self, ending, scale=1.0, offset=0.0, elements=None):
        self.rules = [rule for rule in self.rules if rule["ending"] != ending]
        if elements is None:
            self.rules.append({"ending": ending, "scale": scale, "offset": offset})
        else:
            self.rules.append({"ending": ending, "values": [round(float(v), 3) for v in elements]})

    def of(self, name, shape):
        value = values(name, shape)
        for rule in self.rules:
            if name.endswith(rule["ending"]):
                if "values" in rule:
                    return numpy.array(rule["values"], numpy.float32).reshape(shape)
                return value * numpy.float32(rule["scale"]) + numpy.float32(rule["offset"])
        return value

    def fill(self, model, ending=""):
        """Computes all parameters whose name ends so."""
        named = [*model.named_parameters(), *model.named_buffers()]
        for name, parameter in named:
            if name.endswith(ending) and parameter.is_floating_point():
                parameter.copy_(torch.from_numpy(self.of(name, tuple(parameter.shape))))


def build(backbone, config, adjustments):
    model = MODELS.build(copy.deepcopy(config))
    model.backbone = backbone()
    adjustments.fill(model)
    return model.eval()


# Adjusting parameters


def outputs(module, run):
    """What a layer gives in `run`, one tensor a call."""
    seen = []
    handle = module.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    try:
        run()
    finally:
        handle.remove()
    return seen


def rows(maps):
    """Maps `[1, C, H, W]` or matrices `[N, C]` as one matrix, a row a place."""
    return torch.cat([m.flatten(2)[0].T if m.dim() == 4 else m for m in maps])


def peaks(name, count, best, span):
    """Where the largest logits of `count` outputs shall lie: from `best` down, evenly over `span`."""
    return best - span * (torch.from_numpy(S["uniform"](name, (count,))) + 1) / 2


def place(adjustments, model, name, raw, gain, wanted):
    """Scales a layer so that its outputs `raw` (without its bias, a row a place) deviate by `gain`, and chooses its
    bias so that the largest of each is `wanted`."""
    scale = round(gain / raw.std(0).mean().item(), 2)
    adjustments.add(name + ".weight", scale)
    adjustments.add(name + ".bias", elements=wanted - raw.max(0).values * scale)
    adjustments.fill(model, name + ".weight")
    adjustments.fill(model, name + ".bias")


def soften(adjustments, model, name, factor):
    """Makes deltas of boxes smaller: random ones throw boxes out of the picture."""
    for part in (".weight", ".bias"):
        adjustments.add(name + part, factor)
        adjustments.fill(model, name + part)


def calibrate_retinanet(model, adjustments, maps, samples, trial):
    """Last layers of RetinaNet, for what they say of both pictures; `trial` draws which of its 720 outputs find
    something. Returns it."""
    head = model.bbox_head
    soften(adjustments, model, "bbox_head.retina_reg", 0.3)
    seen = outputs(head.retina_cls, lambda: [head(m) for m in maps])
    raw = rows(seen) - head.retina_cls.bias
    place(adjustments, model, "bbox_head.retina_cls", raw, 9,
          peaks(f"retina.{trial}", raw.shape[1], 2.5, 400))
    return trial


def calibrate_two_stage(model, adjustments, maps, samples, trial):
    """Last layers of RPN, of box heads and of mask heads. Which of the classes find something is drawn anew from
    `trial` on, until the boxes make a good test; returns the trial."""
    rpn, roi = model.rpn_head, model.roi_head
    soften(adjustments, model, "rpn_head.rpn_reg", 0.3)
    raw = rows(outputs(rpn.rpn_cls, lambda: [rpn(m) for m in maps])) - rpn.rpn_cls.bias
    place(adjustments, model, "rpn_head.rpn_cls", raw, 0.5, torch.full((3,), 2.0))
    proposals = [rpn.predict(m, copy.deepcopy(s), rescale=False) for m, s in zip(maps, samples)]
    names, heads = numbered("roi_head.bbox_head", roi.bbox_head)
    for name in names:
        soften(adjustments, model, name + ".fc_reg", 0.3)

    def boxes():
        return [
            roi.predict_bbox(m, [s[0].metainfo], p, roi.test_cfg, rescale=False)[0]
            for m, p, s in zip(maps, proposals, samples)]

    # Stage by stage, as the boxes of one are the regions of the next.
    gain = 4.0 * len(heads) ** 0.5
    for name, head in zip(names, heads):
        head.fc_cls.bias.zero_()
        raw = rows(outputs(head.fc_cls, boxes))
        if head is heads[-1]:
            scale = round(gain / raw.std(0).mean().item(), 2)
            adjustments.add(name + ".fc_cls.weight", scale)
            adjustments.fill(model, name + ".fc_cls.weight")
        else:
            place(adjustments, model, name + ".fc_cls", raw, gain, torch.full((81,), 2.0))

    # What decides is the mean over stages; the last one's bias shapes it.
    last, calls = heads[-1], []
    predict = last.predict_by_feat
    last.predict_by_feat = lambda **named: calls.append(named) or predict(**named)
    boxes()
    del last.predict_by_feat
    logits = torch.cat([call["cls_scores"][0] for call in calls])
    above = (logits[:, :80] - logits[:, 80:]).max(0).values
    while True:
        wanted = peaks(f"{names[-1]}.{trial}", 80, 3.5, 24)
        offset = torch.cat([wanted - above, torch.zeros(1)])
        found = [
            last.predict_by_feat(**{**call, "cls_scores": [call["cls_scores"][0] + offset]})[0]
            for call in calls]
        if unsuitable(found) is None:
            break
        trial += 1
    adjustments.add(names[-1] + ".fc_cls.bias", elements=offset * len(heads))
    adjustments.fill(model, names[-1] + ".fc_cls.bias")

    names, heads = numbered("roi_head.mask_head", roi.mask_head)
    # Masks with holes, which take fewer runs than ones of which half is empty; a mean of three has fewer holes.
    empty = 0.25 if len(heads) == 1 else 0.42
    for name, head in zip(names, heads):
        head.conv_logits.bias.zero_()
        raw = outputs(head.conv_logits, lambda: objects(model, maps, samples))
        raw = torch.cat([m.transpose(0, 1).flatten(1) for m in raw], dim=1)
        scale = round(4 / raw.std(1).mean().item(), 2)
        adjustments.add(name + ".conv_logits.weight", scale)
        adjustments.add(name + ".conv_logits.bias", elements=-raw.quantile(empty, dim=1) * scale)
        adjustments.fill(model, name + ".conv_logits.weight")
        adjustments.fill(model, name + ".conv_logits.bias")
    return trial


def numbered(name, heads):
    """The names and modules of a cascade's heads, or of the only one."""
    if isinstance(heads, torch.nn.ModuleList):
        return [f"{name}.{index}" for index in range(len(heads))], list(heads)
    return [name], [heads]


def objects(model, maps, samples):
    """What mmdetection makes of the neck's maps, at the picture's size, one record a picture."""
    found = []
    for m, s in zip(maps, samples):
        s = copy.deepcopy(s)
        if hasattr(model, "roi_head"):
            proposals = model.rpn_head.predict(m, s, rescale=False)
            found += model.roi_head.predict(m, proposals, s, rescale=True)
        else:
            found += model.bbox_head.predict(m, s, rescale=True)
    return found


def unsteady(first, second):
    """Why a result hangs on rounding: `second` is `first` computed otherwise. `None` where it does not."""
    for a, b in zip(first, second):
        if len(a) != len(b):
            return f"{len(a)} and {len(b)} objects"
        if not torch.equal(a.labels, b.labels):
            return "another order"
        differences = {
            "boxes": (a.bboxes - b.bboxes).abs().max().item() / 0.05,
            "scores": (a.scores - b.scores).abs().max().item() / 1e-4,
        }
        if "masks" in a:
            # The limit is 0.1 % of the pixels; the masks' own, which is stricter than the picture's.
            other = (a.masks != b.masks).flatten(1).sum(1)
            differences["masks"] = (other / a.masks.flatten(1).sum(1)).max().item() / 1e-3
        print("   of the tolerances:", {key: float(f"{value:.2g}") for key, value in differences.items()}, flush=True)
        if max(differences.values()) > 0.5:
            return f"differences {differences}"
    return None


def unsuitable(found):
    """Why objects make no good test; `None` where they do."""
    for record in found:
        if not 20 <= len(record) <= 60:
            return f"{len(record)} objects"
        if len(set(record.labels.tolist())) < 7:
            return "few classes"
        if (record.scores[:-1] - record.scores[1:]).min() < 1e-4 or record.scores.min() < 0.0501:
            return "scores too close"
        if "masks" in record:
            sides = record.bboxes[:, 2:] - record.bboxes[:, :2]
            share = record.masks.flatten(1).sum(1) / sides.prod(1)
            if share.min() < 0.1 or share.max() > 0.99:
                return "empty or full masks"
    return None


def settled(backbone, config, inputs, samples):
    """A detector whose objects in both pictures do not hang on rounding, its adjustments, and the objects."""
    is_two_stage = "roi_head" in config
    model = build(backbone, config, Adjustments())
    # The backbone and the laterals are not adjusted.
    backbone_maps = [model.backbone(x) for x in inputs]
    trial = -1
    for _ in range(30):
        adjustments = Adjustments()
        if is_two_stage:
            adjustments.add(".bn.weight", offset=1.0)
            # Regions of all sizes: random maps get weaker from level to level, and the strong ones win.
            for level, factor in enumerate([0.4, 0.55, 0.75, 1.1]):
                adjustments.add(f"neck.fpn_convs.{level}.conv.weight", factor)
        adjustments.fill(model)
        maps = [model.neck(m) for m in backbone_maps]
        calibrate = calibrate_two_stage if is_two_stage else calibrate_retinanet
        trial = calibrate(model, adjustments, maps, samples, trial + 1)
        found = objects(model, maps, samples)
        reason = unsuitable(found)
        generator = torch.Generator().manual_seed(0)
        for _ in range(3):
            if reason is None:
                moved = [
                    tuple(x * (1 + 2e-6 * torch.randn(x.shape, generator=generator)) for x in m)
                    for m in maps]
                reason = unsteady(found, objects(model, moved, samples))
        print(f"  trial {trial}: {[len(r) for r in found]}: {reason or 'taken'}", flush=True)
        if reason is None:
            return model, adjustments, found
    raise SystemExit("no trial was good")


def in_double(model, inputs, samples):
    """The same objects computed in float64."""
    # mmdetection pastes masks in float32 whatever their boxes are.
    fcn = sys.modules["mmdet.models.roi_heads.mask_heads.fcn_mask_head"]
    paste = fcn._do_paste_mask
    fcn._do_paste_mask = lambda masks, boxes, *rest, **named: paste(masks, boxes.float(), *rest, **named)
    model = model.double()
    return objects(model, [model.extract_feat(x.double()) for x in inputs], samples)


def rounded(numbers, digits):
    return [[round(v, digits) for v in row] for row in numbers.tolist()]


def record(found, exact, sample, file):
    result = {
        "picture": file,
        "network": [*sample.img_shape],
        "boxes": rounded(found.bboxes, 4),
        "labels": found.labels.tolist(),
        "scores": [round(v, 7) for v in found.scores.tolist()],
    }
    off = {
        "boxes": (found.bboxes - exact.bboxes).abs().max().item(),
        "scores": (found.scores - exact.scores).abs().max().item(),
    }
    if "masks" in found:
        codes = [coco_masks.encode(numpy.asfortranarray(m.numpy().astype(numpy.uint8))) for m in found.masks]
        result["masks"] = [code["counts"].decode() for code in codes]
        off["mask_pixels"] = (found.masks != exact.masks).flatten(1).sum(1).max().item()
    result["float64_differences"] = {key: float(f"{value:.2g}") for key, value in off.items()}
    return result


def write_png(path, picture):
    """Small and the same with every version: PIL's and OpenCV's files are neither."""
    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    height, width, _ = picture.shape
    lines = b"".join(b"\0" + line.tobytes() for line in picture)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])))
        file.write(chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


def main():
    os.makedirs(OUT, exist_ok=True)
    inputs, samples = [], []
    for name, width, height in PICTURES:
        path = os.path.join(OUT, name + ".png")
        write_png(path, scene(name, width, height))
        x, sample = prepared(path)
        inputs.append(x)
        samples.append(sample)
    versions = ", ".join([
        f"mmdetection {mmdet.__version__}", f"mmcv-lite {mmcv.__version__}", f"torch {torch.__version__}",
        f"torchvision {torchvision.__version__}", f"opencv {cv2.__version__}",
        f"Swin-Transformer-Object-Detection {O['commit']('swin_detection')[:7]}", f"PVT {O['commit']('pvt')[:7]}",
        f"FLatten-Transformer {O['commit']('flatten')[:7]}"])
    for name, backbone, config in DETECTORS:
        if PART not in name:
            continue
        print(name, flush=True)
        model, adjustments, found = settled(backbone, config, inputs, samples)
        exact = in_double(model, inputs, samples)
        reason = unsteady(found, exact)
        if reason is not None:
            raise SystemExit(f"float32 and float64 disagree: {reason}")
        case = {
            "config": name, "versions": versions, "adjusted": adjustments.rules,
            "pictures": [
                record(f, e, s[0], n + ".png") for f, e, s, (n, _, _) in zip(found, exact, samples, PICTURES)],
        }
        with open(os.path.join(OUT, os.path.basename(name) + ".json"), "w") as file:
            json.dump(case, file, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
