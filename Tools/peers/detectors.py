"""Times detectors in flatten-seg and its peers in turn, part by part, on the same weights and inputs.

The network (backbone, pyramid and dense head, or RPN) and the heads run in PyTorch, ONNX Runtime and OpenVINO; what
comes between and after them is mmdetection's own, with torchvision's nms and roi_align, and pycocotools' run
lengths. A whole picture of the peers is the sum of the fastest peer's parts.
"""
import argparse
import copy
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import types

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", required=True)
parser.add_argument("--configs", default="coco/flatten_pvt_t_retinanet,coco/pvt_t_retinanet,"
                    "coco/flatten_pvt_t_mask_rcnn,coco/pvt_t_mask_rcnn")
parser.add_argument("--json", help="write all medians to this file")
parser.add_argument("--size", default="800x1280", help="the network's input, height first")
parser.add_argument("--picture", default="3264x2448", help="a large picture to paste masks into, width first")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=3, help="runs of each part in each round")
parser.add_argument("--rounds", type=int, default=3, help="how often all take their turn")
arguments = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
size = tuple(int(side) for side in arguments.size.split("x"))
large = tuple(int(side) for side in arguments.picture.split("x"))[::-1]


class Missing(types.ModuleType):
    """mmcv's compiled operators, in whose place torchvision's run."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


sys.modules["mmcv._ext"] = Missing("mmcv._ext")

import mmdet
import mmdet.models
import numpy as np
import onnxruntime
import openvino
import torch
import torchvision
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from pycocotools import mask as coco_masks
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.dirname(__file__))
from model import Backbone, load

DefaultScope.get_instance("detectors", scope_name="mmdet")
sys.modules["mmcv._ext"].nms = lambda boxes, scores, iou_threshold, offset: torchvision.ops.nms(
    boxes, scores, iou_threshold)
torch.set_num_threads(arguments.threads)
torch.set_grad_enabled(False)
folder = tempfile.TemporaryDirectory()
core = openvino.Core()


def ours(*words):
    result = subprocess.run([arguments.program, *words], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"flatten-seg {' '.join(words)}: {result.stderr}")
    return result.stdout


# Engines


class Engines:
    """A module in PyTorch, ONNX Runtime and OpenVINO, for inputs of one shape."""

    def __init__(self, name, module, inputs):
        self.name, self.module, self.inputs = name, module.eval(), inputs
        path = os.path.join(folder.name, f"{name}.onnx")
        names = [f"x{index}" for index in range(len(inputs))]
        torch.onnx.export(module, tuple(inputs), path, opset_version=17, dynamo=False, input_names=names)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.request = core.compile_model(path, "CPU", {
            "INFERENCE_NUM_THREADS": arguments.threads, "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
        }).create_infer_request()
        self.arrays = [x.numpy() for x in inputs]
        self.feed = dict(zip(names, self.arrays))
        self.compare()

    def runs(self):
        return {
            "pytorch": lambda: self.module(*self.inputs),
            "onnxruntime": lambda: self.session.run(None, self.feed),
            "openvino": lambda: self.request.infer(dict(enumerate(self.arrays))),
        }

    def compare(self):
        """Nothing is timed that does not agree."""
        expected = self.module(*self.inputs)
        expected = [expected] if torch.is_tensor(expected) else expected
        got = self.session.run(None, self.feed)
        result = self.request.infer(dict(enumerate(self.arrays)))
        for engine, values in [("onnxruntime", got), ("openvino", [result[o] for o in result])]:
            worst = max(
                np.abs(value - wanted.numpy()).max() / max(np.abs(wanted.numpy()).max(), 1e-9)
                for value, wanted in zip(values, expected))
            print(f"  {self.name}: {engine} against PyTorch: {worst:.1e} of the largest number")
            if not worst < 1e-3:
                raise SystemExit(f"{engine} disagrees")


class Placeholder(torch.nn.Module):
    """Stands for a backbone while mmdetection builds a detector."""


MODELS.register_module(module=Placeholder)


def detector(config):
    """mmdetection's detector of a config of ours, with the backbone of model.py."""
    name = {"retinanet": "retinanet_r50_fpn.py", "mask_rcnn": "mask-rcnn_r50_fpn.py"}[
        "retinanet" if config.endswith("retinanet") else "mask_rcnn"]
    path = os.path.join(os.path.dirname(mmdet.__file__), ".mim/configs/_base_/models", name)
    settings = Config.fromfile(path).model
    settings.backbone = dict(type="Placeholder")
    settings.neck.in_channels = [64, 128, 320, 512]
    settings.train_cfg = None
    del settings.data_preprocessor
    for key in ("bbox_roi_extractor", "mask_roi_extractor"):
        if "roi_head" in settings:
            settings.roi_head[key].roi_layer.use_torchvision = True
    model = MODELS.build(settings)
    model.backbone = Backbone(size, reductions=None if "flatten" in config else (8, 4, 2, 1))
    return model.eval()


class Network(torch.nn.Module):
    """Everything before boxes: the pyramid's maps and the dense head's scores and deltas."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.neck = model.backbone, model.neck
        self.head = model.rpn_head if hasattr(model, "rpn_head") else model.bbox_head

    def forward(self, x):
        maps = self.neck(self.backbone(x))
        scores, deltas = self.head(maps)
        return [*maps, *scores, *deltas]


class MaskHead(torch.nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, x):
        return self.head(x)


# Weights and input


def bench_input():
    """The input that `flatten-seg bench` makes."""
    index = np.arange(size[0] * size[1] * 3, dtype=np.int64)
    values = (index * 7919 % 1021).astype(np.float32) / np.float32(255) - np.float32(2)
    return torch.from_numpy(values.reshape(1, *size, 3).transpose(0, 3, 1, 2).copy())


def realistic(weights, model, x):
    """Random weights find everything everywhere. Moves biases so that as many pairs of a place and a class pass the
    threshold as in a trained detector: 24,000 of RetinaNet's, 1,000 of the box head's."""
    if "bbox_head.retina_cls.bias" in weights:
        scores = torch.cat([s.flatten() for s in model.bbox_head(model.neck(model.backbone(x)))[0]])
        threshold = np.log(0.05 / 0.95)
        shift = threshold - np.partition(scores.numpy(), -24_000)[-24_000]
        weights["bbox_head.retina_cls.bias"] = weights["bbox_head.retina_cls.bias"] + float(shift)
    else:
        maps = model.neck(model.backbone(x))
        logits = model.roi_head._bbox_forward(maps, rois_of(model, maps))["cls_score"]
        low, high = -40.0, 40.0
        for _ in range(40):
            background = (low + high) / 2
            moved = logits.clone()
            moved[:, -1] += background
            pairs = int((moved.softmax(1)[:, :-1] > 0.05).sum())
            low, high = (background, high) if pairs > 1000 else (low, background)
        bias = weights["roi_head.bbox_head.fc_cls.bias"].clone()
        bias[-1] += low
        weights["roi_head.bbox_head.fc_cls.bias"] = bias
    return weights


META = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), batch_input_shape=size, pad_shape=size)


def proposals_of(model, maps):
    return model.rpn_head.predict_by_feat(
        *model.rpn_head(maps), batch_img_metas=[META], cfg=model.rpn_head.test_cfg, rescale=False)


def rois_of(model, maps, count=1000):
    """`count` regions; where there are fewer proposals they are taken again."""
    boxes = proposals_of(model, maps)[0].bboxes
    boxes = boxes[torch.arange(count) % len(boxes)]
    return torch.cat([boxes.new_zeros(count, 1), boxes], dim=1)


# Parts


def parts_of(config, model, x):
    """Name of a part, and for each engine what runs it."""
    network = Engines(config.replace("/", "_"), Network(model), [x])
    outputs = network.module(x)
    parts = {"network": network.runs()}

    def mmdetection(run):
        return {"mmdetection": run}

    if not hasattr(model, "rpn_head"):
        scores, deltas = outputs[5:10], outputs[10:]
        head = model.bbox_head

        def post():
            return head.predict_by_feat(
                scores, deltas, batch_img_metas=[META], cfg=head.test_cfg, rescale=True, with_nms=True)[0]

        pairs = sum(int((s.sigmoid() > 0.05).sum()) for s in scores)
        print(f"  {pairs} pairs above the threshold, {len(post())} objects")
        parts["boxes"] = mmdetection(post)
        return parts

    maps, scores, deltas = outputs[:5], outputs[5:10], outputs[10:]
    rpn, roi = model.rpn_head, model.roi_head
    parts["proposals"] = mmdetection(lambda: rpn.predict_by_feat(
        scores, deltas, batch_img_metas=[META], cfg=rpn.test_cfg, rescale=False))
    rois = rois_of(model, maps)
    parts["RoIAlign, boxes"] = {"torchvision": lambda: roi.bbox_roi_extractor(maps[:4], rois)}
    features = roi.bbox_roi_extractor(maps[:4], rois)
    box_head = Engines("box_head", roi.bbox_head, [features])
    parts["box head"] = box_head.runs()
    logits, moved = roi.bbox_head(features)

    def post():
        return roi.bbox_head.predict_by_feat(
            [rois], [logits], [moved], batch_img_metas=[META], rcnn_test_cfg=roi.test_cfg, rescale=False)[0]

    found = post()
    pairs = int((logits.softmax(1)[:, :-1] > 0.05).sum())
    print(f"  {len(proposals_of(model, maps)[0])} proposals, {pairs} pairs above the threshold, {len(found)} objects")
    parts["boxes"] = mmdetection(post)

    labels = found.labels
    chosen = torch.cat([found.bboxes.new_zeros(len(found), 1), found.bboxes], dim=1)
    parts["RoIAlign, masks"] = {"torchvision": lambda: roi.mask_roi_extractor(maps[:4], chosen)}
    mask_features = roi.mask_roi_extractor(maps[:4], chosen)
    mask_head = Engines("mask_head", MaskHead(roi.mask_head), [mask_features])
    parts["mask head"] = mask_head.runs()
    mask_logits = roi.mask_head(mask_features)

    def masks(shape):
        scale = (shape[1] / size[1], shape[0] / size[0])
        meta = dict(META, ori_shape=shape, scale_factor=scale)
        boxes = chosen[:, 1:] * torch.tensor([scale[0], scale[1]] * 2)

        def run():
            record = InstanceData(bboxes=boxes.clone(), labels=labels)
            pasted = roi.mask_head.predict_by_feat(
                [mask_logits], [record], batch_img_metas=[meta], rcnn_test_cfg=roi.test_cfg, rescale=True)[0].masks
            return [coco_masks.encode(np.asfortranarray(m.numpy().astype(np.uint8))) for m in pasted]

        return mmdetection(run)

    parts["masks"] = masks(size)
    parts[f"masks {large[1]}x{large[0]}"] = masks(large)
    return parts


def times(run):
    seconds = []
    for _ in range(arguments.repeat):
        start = time.perf_counter()
        run()
        seconds.append((time.perf_counter() - start) * 1e3)
    return statistics.median(seconds)


# Ours


def our_parts(config, weights):
    """Milliseconds of our parts. The heads' hold those of RoIAlign, which stand beside."""
    report = json.loads(ours(
        "bench", "--config", config, "--weights", weights, "--size", arguments.size, "--threads",
        str(arguments.threads), "--repeat", str(arguments.repeat), "--precision", "f32", "--json"))
    parts = report["parts"]
    for name, side in [("boxes", 7), ("masks", 14)]:
        # [regions, side, side, channels]
        taken = [
            operator["ms"] for operator in report["operators"]
            if operator["kind"] == "pooling" and operator["shape"].split("x")[1] == str(side)]
        if taken:
            parts[f"RoIAlign, {name}"] = sum(taken)
    return parts


def write_png(path, picture):
    import zlib

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    lines = b"".join(b"\0" + line.tobytes() for line in picture)
    header = picture.shape[1].to_bytes(4, "big") + picture.shape[0].to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def compare_objects(config, weights, model):
    """Objects of a picture that needs no resizing. Random weights leave many scores close to each other and to the
    threshold, so nearly all have to agree, and not all."""
    y, x = np.mgrid[0:size[0], 0:size[1]]
    pixels = np.stack([(x * (3 + c) // 4 + y * (5 - c) // 3 + (x // 40 * 37 + y // 40 * 91) % 97) % 256
                       for c in range(3)], axis=2).astype(np.uint8)
    path = os.path.join(folder.name, "picture.png")
    write_png(path, pixels)
    normal = (torch.from_numpy(pixels).permute(2, 0, 1).float()
              - torch.tensor([123.675, 116.28, 103.53])[:, None, None]) / torch.tensor(
                  [58.395, 57.12, 57.375])[:, None, None]
    wanted = model.predict(normal[None], [DetDataSample(metainfo=META)], rescale=True)[0].pred_instances
    results = os.path.join(folder.name, "results.json")
    if os.path.exists(results):
        os.remove(results)
    ours("detect", path, "--config", config, "--weights", weights, "--coco-results", results, "--score", "0.05",
         "--output", os.path.join(folder.name, "out"), "--quiet", "--overwrite")
    with open(results) as file:
        got = json.load(file)
    boxes = torch.tensor([r["bbox"] for r in got]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = torch.tensor([r["score"] for r in got])
    matched = 0
    for box, score in zip(wanted.bboxes, wanted.scores):
        near = (boxes - box).abs().max(1).values < 0.05
        matched += bool((near & ((scores - score).abs() < 1e-3)).any())
    print(f"  objects: {len(wanted)} of PyTorch, {len(got)} of flatten-seg, {matched} the same")
    if not len(wanted) or matched < 0.95 * len(wanted):
        raise SystemExit("flatten-seg and PyTorch disagree")


# All of it

# Parts that make a whole picture, under the names of `flatten-seg bench`. It counts RoIAlign among the heads, so that
# of the peers is added to theirs.
WHOLE = ["network", "proposals", "box head", "boxes", "mask head", "masks"]
AMONG = {"box head": "RoIAlign, boxes", "mask head": "RoIAlign, masks"}
everything = {}
for config in arguments.configs.split(","):
    print(config)
    weights_path = os.path.join(folder.name, "weights.safetensors")
    ours("init", "--overwrite", "--config", config, weights_path)
    model = detector(config)
    weights = load_file(weights_path)
    load(model, weights, size)
    x = bench_input()
    weights = realistic(weights, model, x)
    save_file(weights, weights_path)
    load(model, weights, size)
    compare_objects(config, weights_path, model)
    parts = parts_of(config, model, x)
    for runs in parts.values():
        for run in runs.values():
            run()
    collected = {}
    for _ in range(arguments.rounds):
        for name, value in our_parts(config, weights_path).items():
            collected.setdefault((name, "flatten-seg"), []).append(value)
        for name, runs in parts.items():
            for engine, run in runs.items():
                collected.setdefault((name, engine), []).append(times(run))
    everything[config] = {
        f"{name}, {engine}": statistics.median(values) for (name, engine), values in collected.items()}
    result = {key: statistics.median(values) for key, values in collected.items()}

    print(f"\n| {config} | flatten-seg | best peer | ratio | all peers |\n|---|---|---|---|---|")
    fastest = {}
    for name in parts:
        peers = {engine: result[name, engine] for engine in parts[name]}
        best = min(peers, key=peers.get)
        fastest[name] = peers[best]
        own = result.get((name, "flatten-seg"))
        fastest[name] += fastest.get(AMONG.get(name), 0)
        listed = ", ".join(f"{engine} {value:.1f}" for engine, value in peers.items())
        print(f"| {name} | {'' if own is None else f'{own:.1f} ms'} | {best} {fastest[name]:.1f} ms | "
              f"{'' if own is None else f'{fastest[name] / own:.2f}'} | {listed} |")
    whole = sum(value for name, value in fastest.items() if name in WHOLE)
    own = sum(value for (name, engine), value in result.items() if engine == "flatten-seg" and name in WHOLE)
    print(f"| whole picture | {own:.1f} ms | sum of the best {whole:.1f} ms | {whole / own:.2f} | |\n", flush=True)

print(f"{arguments.size}, {arguments.threads} threads, {platform.machine()}; PyTorch {torch.__version__}, torchvision "
      f"{torchvision.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO "
      f"{openvino.__version__.split('-')[0]}, mmdetection {mmdet.__version__}; medians of {arguments.rounds} rounds "
      "in turn")
if arguments.json:
    with open(arguments.json, "w") as file:
        json.dump(everything, file, indent=1)
