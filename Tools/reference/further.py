#!/usr/bin/env python3
"""Golden cases of what the golden set in Tests/Fixtures lacks.

    Tools/reference/further.py SOURCES [OUT]

SOURCES and the Python packages are those of families.py, and opencv-python and Pillow. OUT is
Tests/FurtherFixtures unless given. Everything but the flip "diagonal" is computed by torch, Pillow, mmcv's
transforms and mmsegmentation's EncoderDecoder and SegTTAModel; mmsegmentation cannot turn scores back that are
flipped both ways, so there the script does what it does for one way.

The segmentor is that of pipeline/whole_scene_jpg in Tests/Fixtures, and so are its weights.
"""
import copy
import json
import os
import runpy
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "../../Tests/Fixtures")
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/FurtherFixtures")


def originals():
    """The names that full_size.py defines, without its file."""
    arguments = sys.argv
    sys.argv = ["full_size.py", SOURCES, tempfile.mkdtemp()]
    try:
        return runpy.run_path(os.path.join(HERE, "full_size.py"), run_name="originals")
    finally:
        sys.argv = arguments


S = originals()
O = S["O"]
torch, F, nn, origin = S["torch"], O["F"], O["nn"], O["origin"]

import cv2  # noqa: E402
import mmcv  # noqa: E402
import mmseg.datasets.transforms  # noqa: E402, F401
import mmseg.models  # noqa: E402, F401
import numpy as np  # noqa: E402
import PIL  # noqa: E402
import torchvision  # noqa: E402
from PIL import Image  # noqa: E402
from mmcv.transforms import RandomFlip, Resize  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmseg.datasets.transforms import PackSegInputs, ResizeToMultiple  # noqa: E402
from mmseg.models.data_preprocessor import SegDataPreProcessor  # noqa: E402
from mmseg.models.segmentors import EncoderDecoder, SegTTAModel  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

CASES = []


def origins(*entries):
    return [dict(zip(("source", "file", "name"), entry)) for entry in entries]


TORCH = (f"torch {torch.__version__}", None, "F.layer_norm")
PILLOW = (f"Pillow {PIL.__version__}", None, "Image.resize")
OPENCV = (f"opencv-python {cv2.__version__}", None, "imread(IMREAD_COLOR), resize(INTER_LINEAR)")
MMCV = f"mmcv-lite {mmcv.__version__}"
MMSEG = O["MMSEG"]


def write(id_, kind, summary, upstream, params, files, inputs, expected, entries, notes=()):
    """A case: `files` are those that lie elsewhere, `entries` the tolerances of what is expected."""
    folder = os.path.join(OUT, id_)
    os.makedirs(folder)
    for name, tensors in (("inputs", inputs), ("expected", expected)):
        if tensors:
            files = dict(files, **{name: f"{name}.safetensors"})
            save_file({k: v.contiguous() for k, v in tensors.items()},
                      os.path.join(folder, files[name]))
            os.chmod(os.path.join(folder, files[name]), 0o644)
    for name, value in expected.items():
        entries[name] = {"shape": list(value.shape), "dtype": str(value.dtype)[6:], **entries[name]}
    description = {
        "id": id_, "kind": kind, "summary": summary, "upstream": upstream, "params": params,
        "files": files, "inputs": {k: {"shape": list(v.shape)} for k, v in inputs.items()},
        "expected": entries, "notes": list(notes),
    }
    with open(os.path.join(folder, "case.json"), "w") as file:
        json.dump(description, file, indent=1)
        file.write("\n")
    CASES.append({"id": id_, "kind": kind, "summary": summary})
    print(id_, {k: v.get("atol", v.get("max_mismatched_pixels")) for k, v in entries.items()}, flush=True)


def tolerance(single, double):
    """16 times what float32 and float64 differ by, and at least 5e-6 of the largest magnitude."""
    difference = (single.double() - double).abs().max().item()
    atol = max(16 * difference, 5e-6 * double.abs().max().item())
    return {"atol": float(f"{atol:.3g}"), "float64_diff": float(f"{difference:.3g}")}


# Layer norm of rows that do not vary


def layer_norms():
    for name, width, eps, values in [
        ("layernorm_equal_rows", 37, 1e-6, [0.1, 1 / 3, -7.3, 1234.567, 0.0]),
        ("layernorm_equal_rows_wide", 160, 1e-5, [0.7, -0.3, 98765.43]),
    ]:
        rows = [torch.full((width,), value) for value in values]
        # A row that varies between them, and one in which a single element does.
        rows.insert(1, torch.from_numpy(S["uniform"](name, (width,)).copy()))
        bent = torch.full((width,), 0.25)
        bent[width // 3] = 0.5
        rows.append(bent)
        x = torch.stack(rows)[None]
        weight, bias = (torch.from_numpy(S["values"](f"{name}.{part}", (width,))) for part in "wb")
        y = F.layer_norm(x, (width,), weight, bias, eps)
        exact = F.layer_norm(x.double(), (width,), weight.double(), bias.double(), eps)
        folder = f"ops/{name}"
        write(folder, "op", "LayerNorm over the last axis, of rows of equal elements",
              origins(TORCH), {"op": "layer_norm", "eps": eps}, {"weights": "weights.safetensors"},
              {"x": x}, {"y": y}, {"y": tolerance(y, exact)},
              ["a row of equal elements gives the bias exactly"])
        path = os.path.join(OUT, folder, "weights.safetensors")
        save_file({"weight": weight, "bias": bias}, path)
        os.chmod(path, 0o644)


# Pillow's two passes, which come in either order


def noise(name, height, width):
    """A picture with strong edges."""
    u = S["uniform"](name, (height, width, 3))
    return ((u > 0.1) * 200 + (u + 1) * 27).astype(np.uint8)


def pillow():
    for name, (height, width), (new_height, new_width) in [
        ("bicubic_tall_to_square", (70, 41), (54, 54)), ("bicubic_both_down", (57, 30), (20, 22)),
        ("bicubic_both_down_evenly", (40, 40), (20, 30)), ("bilinear_tall_down", (61, 23), (19, 30)),
    ]:
        picture = noise(name, height, width)
        method = Image.BILINEAR if name.startswith("bilinear") else Image.BICUBIC
        resized = np.asarray(Image.fromarray(picture).resize((new_width, new_height), method))
        write(f"images/resize_pillow_{name}", "image_resize",
              f"pillow resize of an 8-bit picture {height}x{width} -> {new_height}x{new_width}",
              origins(PILLOW),
              {"backend": "pillow", "interpolation": name.split("_")[0],
               "size": [new_height, new_width]},
              {}, {"image": torch.from_numpy(picture)},
              {"resized": torch.from_numpy(resized.copy())}, {"resized": {"atol": 0}})
    picture = noise("classify", 70, 41)
    side = int(256 / 224 * 48)
    transforms = torchvision.transforms
    resized = transforms.Resize((side, side), interpolation=transforms.InterpolationMode.BICUBIC)(
        Image.fromarray(picture))
    cropped = transforms.CenterCrop(48)(resized)
    x = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(
        transforms.ToTensor()(cropped))
    write("images/classify_tall", "classify_preprocess",
          "ImageNet evaluation preprocessing of a tall picture: 70x41 -> 54x54, the middle 48x48",
          origins(PILLOW, (f"torchvision {torchvision.__version__}", None, "transforms")),
          {"img_size": 48, "style": "flatten", "crop": True}, {},
          {"image": torch.from_numpy(picture)},
          {"resized_rgb": torch.from_numpy(np.asarray(resized).copy()),
           "cropped_rgb": torch.from_numpy(np.asarray(cropped).copy()), "x": x},
          {"resized_rgb": {"atol": 0}, "cropped_rgb": {"atol": 0}, "x": {"atol": 1e-5}})


# Pipelines: a picture file to labels


class Dense(O["flatten_pvt"].PyramidVisionTransformer):
    """Its maps, with every table resized from the stored one."""

    def forward(self, x):
        return S["pyramid"](copy.deepcopy(self), x, hasTable=True)


MODELS.register_module(name="DenseFlattenPVT", module=Dense)

with open(os.path.join(FIXTURES, "pipeline/whole_scene_jpg/case.json")) as file:
    SCENE = json.load(file)
ELSEWHERE = "../../../Fixtures/pipeline/whole_scene_jpg"
PICTURE = os.path.join(FIXTURES, "pipeline/whole_scene_jpg/scene.jpg")


def segmentor(preprocessor):
    """The segmentor of whole_scene_jpg."""
    b = SCENE["params"]["model"]["backbone"]
    width = SCENE["params"]["model"]["neck"]["out_channels"]
    head = SCENE["params"]["model"]["decode_head"]
    model = EncoderDecoder(
        data_preprocessor=SegDataPreProcessor(**preprocessor),
        backbone=dict(
            type="DenseFlattenPVT", img_size=b["img_size"], patch_size=4, num_classes=0,
            embed_dims=b["embed_dims"], num_heads=b["num_heads"], mlp_ratios=b["mlp_ratios"],
            qkv_bias=True, depths=b["depths"], sr_ratios=b["sr_ratios"],
            la_sr_ratios=b["la_sr_ratios"], attn_type=b["attn_type"],
            norm_layer=lambda channels: nn.LayerNorm(channels, eps=b["norm_eps"])),
        neck=dict(type="FPN", in_channels=b["embed_dims"], out_channels=width, num_outs=4),
        decode_head=dict(
            type="FPNHead", in_channels=[width] * 4, in_index=[0, 1, 2, 3],
            feature_strides=[4, 8, 16, 32], channels=head["channels"], dropout_ratio=0.1,
            num_classes=head["num_classes"], norm_cfg=dict(type="BN"), align_corners=False),
        test_cfg=ConfigDict(mode="whole"))
    state = load_file(os.path.join(FIXTURES, "pipeline/whole_scene_jpg/weights.safetensors"))
    model.load_state_dict(state)
    return model.eval()


def steps(plan, scale=None, ratio=None):
    """mmcv's and mmsegmentation's resizes of a pipeline."""
    resizes = []
    if scale is not None or ratio is not None:
        resizes.append(Resize(
            scale=None if scale is None else tuple(scale), scale_factor=ratio,
            keep_ratio=plan.get("keep_ratio", True)))
    if "size_divisor" in plan:
        resizes.append(ResizeToMultiple(size_divisor=plan["size_divisor"]))
    return resizes


def prepared(transforms, flip=None):
    """The picture through the transforms: what each made of it, and the packed result."""
    picture = cv2.imread(PICTURE, cv2.IMREAD_COLOR)
    results = dict(
        img=picture, img_path="scene.jpg", img_shape=picture.shape[:2],
        ori_shape=picture.shape[:2], seg_fields=[])
    made = []
    if flip is not None:
        transforms = transforms + [RandomFlip(prob=1.0, direction=flip)]
    for transform in transforms:
        results = transform(results)
        made.append(results["img"].copy())
    return made, PackSegInputs()(results)


def predicted(model, packed, dtype):
    """The network's input, its coarse logits, and the sample with scores at the picture's size."""
    data = model.data_preprocessor(
        {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"].clone()]}, False)
    x, samples = data["inputs"].to(dtype), data["data_samples"]
    model = copy.deepcopy(model).to(dtype)
    with torch.no_grad():
        coarse = model.decode_head(model.neck(model.backbone(x)))
        metas = [sample.metainfo for sample in samples]
        logits = model.inference(x, metas)
        if metas[0].get("flip_direction") == "diagonal":
            # What postprocess_result does for one way, it refuses for both.
            logits = logits.flip(dims=(2,))
            samples[0].set_metainfo({"flip_direction": "horizontal"})
        return x, coarse, model.postprocess_result(logits, samples)[0]


def close_pixels(scores, atol):
    """Pixels whose two best classes may change places when both are as wrong as they may be."""
    best = scores.topk(2, dim=0).values
    return (best[0] - best[1] < 2 * atol).sum().item()


PREPROCESSOR = {key: SCENE["params"]["preprocessor"][key]
                for key in ("mean", "std", "bgr_to_rgb", "pad_val", "seg_pad_val")}
UPSTREAM = origins(
    (MMSEG, "mmseg/models/segmentors/encoder_decoder.py", "EncoderDecoder"),
    (MMSEG, "mmseg/models/data_preprocessor.py", "SegDataPreProcessor"),
    (MMCV, "mmcv/transforms/processing.py", "Resize, RandomFlip"), OPENCV)
FILES = {"weights": f"{ELSEWHERE}/weights.safetensors", "image": f"{ELSEWHERE}/scene.jpg"}


def byte_tensor(picture):
    return torch.from_numpy(picture.copy())


def pipeline(name, summary, plan, test_cfg=None):
    preprocessor = dict(PREPROCESSOR, **({"test_cfg": test_cfg} if test_cfg else {}))
    model = segmentor(preprocessor)
    made, packed = prepared(steps(plan, scale=plan.get("scale")))
    x, logits, sample = predicted(model, packed, torch.float32)
    _, logits64, sample64 = predicted(model, packed, torch.float64)
    scores, scores64 = sample.seg_logits.data, sample64.seg_logits.data
    expected = {"logits": logits, "seg_logits": scores,
                "labels": sample.pred_sem_seg.data.to(torch.uint8)}
    entries = {"logits": tolerance(logits, logits64), "seg_logits": tolerance(scores, scores64)}
    if test_cfg:
        expected["input"], entries["input"] = x, tolerance(x, x.double())
    entries["labels"] = {
        "max_mismatched_pixels": close_pixels(scores, entries["seg_logits"]["atol"])}
    for key, picture in zip(("resized_bgr", "aligned_bgr"), made):
        expected[key], entries[key] = byte_tensor(picture), {"atol": 0}
    write(f"pipeline/{name}", "pipeline", summary, UPSTREAM,
          {"model": SCENE["params"]["model"], "preprocessor": preprocessor, "pipeline": plan},
          dict(FILES), {}, expected, entries)


def augmented(name, summary, plan, notes=()):
    """Test-time augmentation: the scales or ratios, each with every flip."""
    model = segmentor(PREPROCESSOR)
    sizes = [(scale, None) for scale in plan.get("scales", [])] + [
        (None, ratio) for ratio in plan.get("ratios", [])]
    everything = {}
    for dtype in (torch.float32, torch.float64):
        samples = []
        for scale, ratio in sizes:
            for flip in plan["flips"]:
                _, packed = prepared(steps(plan, scale, ratio), flip)
                samples.append(predicted(model, packed, dtype)[2])
        tta = SegTTAModel(module=model)
        labels = tta.merge_preds([samples])[0].pred_sem_seg.data
        mean = torch.stack([sample.seg_logits.data.softmax(dim=0) for sample in samples]).mean(dim=0)
        everything[dtype] = mean, labels
    mean, labels = everything[torch.float32]
    assert (mean.argmax(dim=0) != labels).sum().item() == 0
    entries = {"mean_probabilities": tolerance(mean, everything[torch.float64][0])}
    entries["labels"] = {
        "max_mismatched_pixels": close_pixels(mean, entries["mean_probabilities"]["atol"])}
    write(f"pipeline/{name}", "pipeline_tta", summary, UPSTREAM + origins(
              (MMSEG, "mmseg/models/segmentors/seg_tta.py", "SegTTAModel")),
          {"model": SCENE["params"]["model"], "preprocessor": PREPROCESSOR, "tta": plan},
          dict(FILES), {},
          {"mean_probabilities": mean, "labels": labels[None].to(torch.uint8)}, entries, notes)


def pipelines():
    pipeline("keep_ratio_false", "Resize to exactly 80x40 (width, height)",
             {"scale": [80, 40], "keep_ratio": False})
    pipeline("keep_ratio_false_tall", "Resize to exactly 45x70, then to multiples of 32",
             {"scale": [45, 70], "keep_ratio": False, "size_divisor": 32})
    pipeline("pad_to", "padded to 96 rows of 128 pixels", {}, {"size": [96, 128]})
    pipeline("pad_to_rows_fit", "padded to 96 pixels a row; 40 rows are less than there are",
             {"scale": [128, 48]}, {"size": [40, 96]})
    augmented("tta_vertical", "as it is and upside down",
              {"ratios": [1.0], "flips": [None, "vertical"]})
    augmented("tta_all_flips", "two ratios, every flip",
              {"ratios": [0.75, 1.25], "flips": [None, "horizontal", "vertical", "diagonal"],
               "size_divisor": 32},
              ["postprocess_result knows no diagonal flip: the scores are turned upside down first"])
    augmented("tta_sizes", "two sizes that the picture is fitted into, each mirrored too",
              {"scales": [[96, 64], [128, 48]], "flips": [None, "horizontal"]})
    augmented("tta_sizes_exact", "two exact sizes, then multiples of 32",
              {"scales": [[96, 50], [40, 64]], "keep_ratio": False, "flips": [None],
               "size_divisor": 32})


def main():
    versions = (f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
                f"Pillow {PIL.__version__}, opencv-python {cv2.__version__}, {MMCV}, {MMSEG}")
    print(versions)
    for name in os.listdir(OUT) if os.path.isdir(OUT) else []:
        if name != "README.md":
            path = os.path.join(OUT, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    layer_norms()
    pillow()
    pipelines()
    with open(os.path.join(OUT, "index.json"), "w") as file:
        rows = ",\n".join("  " + json.dumps(entry) for entry in CASES)
        file.write(f'{{"versions": {json.dumps(versions)},\n "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
