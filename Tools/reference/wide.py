#!/usr/bin/env python3
"""Golden segmentors that are wide enough for Winograd's convolutions and for joined pairs of convolutions.

    Tools/reference/wide.py SOURCES [OUT]

SOURCES and the Python packages are those of families.py. OUT is Tests/WideFixtures unless given. Backbones are
small originals, neck and heads are mmsegmentation's. Weights and pictures are not stored: both sides compute
them from a name and an index (`values` in full_size.py). What is expected was computed in float64.
"""
import copy
import json
import os
import runpy
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/WideFixtures")


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
torch, F, nn, einops = S["torch"], O["F"], O["nn"], O["einops"]
pyramid, swin_maps, cswin_maps = S["pyramid"], S["swin_maps"], S["cswin_maps"]
fitted, commit, origin = O["fitted"], O["commit"], O["origin"]

from mmseg.models.decode_heads.fpn_head import FPNHead  # noqa: E402
from mmseg.models.decode_heads.uper_head import UPerHead  # noqa: E402
from mmseg.models.necks.fpn import FPN  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

dense_pvt = O["module"](
    "pvt", "segmentation/pvt.py",
    [
        ("from mmseg.models.builder import BACKBONES\n", ""),
        ("from mmseg.utils import get_root_logger\n", ""),
        ("from mmcv.runner import load_checkpoint\n", ""),
        ("@BACKBONES.register_module()\n", ""),
    ])

CLASSES = 7
NECK, HEAD = 48, 40
SIZES = [(75, 133), (96, 64)]
# Steps over rows and columns of what is stored in part.
MAP_STEPS, FULL_STEPS = [3, 4], [5, 7]


# Backbones: each gives its model for pictures of a size, built from numbers that follow from its names


def filled(model):
    """Every parameter, and the running statistics of batch norms."""
    S["filled"](model)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.copy_(torch.from_numpy(S["values"](name, tuple(buffer.shape))))
    return model


def norm(width):
    return nn.LayerNorm(width, eps=1e-6)


PYRAMID = {
    "img_size": 64, "embed_dims": [16, 32, 40, 64], "num_heads": [1, 2, 5, 8],
    "mlp_ratios": [2, 2, 1, 1], "depths": [1, 1, 1, 1], "sr_ratios": [8, 4, 2, 1], "qkv_bias": True,
}


def pyramid_of(code, **more):
    return code.PyramidVisionTransformer(patch_size=4, num_classes=0, norm_layer=norm, **PYRAMID, **more)


def pyramid_v2_of(code, **more):
    return code.PyramidVisionTransformerV2(num_classes=0, norm_layer=norm, **PYRAMID, **more)


LINEAR = {"focusing_factor": 3, "kernel_size": 5}
SWIN = {
    "img_size": 64, "embed_dim": 16, "depths": [2, 2, 2, 1], "num_heads": [1, 2, 4, 4], "mlp_ratio": 2,
}
CSWIN = {
    "img_size": 64, "embed_dim": 16, "depth": [1, 1, 2, 1], "num_heads": [2, 2, 4, 4], "mlp_ratio": 2,
}

# There each next stage is as many times as wide as it has more heads.
DENSE_CSWIN = dict(CSWIN, num_heads=[2, 4, 8, 16], split_size=[1, 2, 3, 7])


def flatten_swin_of(size):
    return O["flatten_swin"].FLattenSwinTransformer(
        num_classes=0, window_size=4, attn_type="LLSS", **dict(SWIN, img_size=size))


def flatten_cswin_of(side):
    sides = "-".join(str(side // stride) for stride in (4, 8, 16, 32))
    return O["flatten_cswin"].CSWinTransformer(
        patch_size=4, num_classes=1, split_size=[1, 2, 2, 2], la_split_size=sides, attn_type="LLSS",
        **dict(CSWIN, img_size=side))


def oblong_swin_maps(model, x):
    """FLatten-Swin's loop over its layers, each map as its grid has it."""
    maps = []
    tokens = model.patch_embed(x)
    for layer in model.layers:
        for block in layer.blocks:
            tokens = block(tokens)
        maps.append(einops.rearrange(tokens, "b (h w) c -> b c h w", h=layer.input_resolution[0]))
        if layer.downsample is not None:
            tokens = layer.downsample(tokens)
    return maps


DEIT = {
    "img_size": 64, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 2,
    "qkv_bias": True, "norm_eps": 1e-6,
}


def vision_of(size, linear):
    return O["vision"](24, 3, 2, size, patch=8, linear=linear, classes=0, ratio=2)


def padded(size):
    return tuple((side + 7) // 8 * 8 for side in size)


def vision_maps(model, x):
    """The patches' tokens; the picture is padded with zeros to whole patches."""
    h, w = padded(x.shape[2:])
    tokens = model.forward_features(F.pad(x, (0, w - x.shape[3], 0, h - x.shape[2])))
    return [einops.rearrange(tokens[:, 1:], "b (h w) c -> b c h w", h=h // 8)]


def itself(native, size):
    return native


def flatten_origin(file, name):
    return origin(f"LeapLabTHU/FLatten-Transformer commit {commit('flatten')}", file, name)


PVT_NUMBERS = dict(PYRAMID, norm_eps=1e-6, inner_norm_eps=1e-5)
WIDTHS = PYRAMID["embed_dims"]
DOUBLING = [16, 32, 64, 128]
STRIDES = [4, 8, 16, 32]

# Name, parameters of the case, widths and strides of the maps, sizes, the model at its native size, that
# model for another size, its maps, where it is from.
BACKBONES = [
    ("pvt", dict(PVT_NUMBERS, type="DensePVT"), WIDTHS, STRIDES, SIZES,
     lambda: pyramid_of(dense_pvt), itself, lambda model, x: model(x),
     origin(f"whai362/PVT commit {commit('pvt')}", "segmentation/pvt.py", "PyramidVisionTransformer")),
    ("pvt_v2", dict(PVT_NUMBERS, type="PVTv2"), WIDTHS, STRIDES, SIZES,
     lambda: pyramid_v2_of(O["pvt_v2"]), itself, lambda model, x: pyramid(model, x, hasTable=False),
     origin(f"whai362/PVT commit {commit('pvt')}", "classification/pvt_v2.py",
            "PyramidVisionTransformerV2")),
    ("pvt_v2_li", dict(PVT_NUMBERS, type="PVTv2", linear=True), WIDTHS, STRIDES, SIZES,
     lambda: pyramid_v2_of(O["pvt_v2"], linear=True), itself,
     lambda model, x: pyramid(model, x, hasTable=False),
     origin(f"whai362/PVT commit {commit('pvt')}", "classification/pvt_v2.py",
            "PyramidVisionTransformerV2")),
    ("flatten_pvt",
     dict(PVT_NUMBERS, type="FlattenPVT", la_sr_ratios="1111", attn_type="LLLL", **LINEAR),
     WIDTHS, STRIDES, SIZES,
     lambda: pyramid_of(O["flatten_pvt"], la_sr_ratios="1111", attn_type="LLLL"), itself,
     lambda model, x: pyramid(model, x, hasTable=True),
     flatten_origin("models/flatten_pvt.py", "PyramidVisionTransformer")),
    ("flatten_pvt_v2",
     dict(PVT_NUMBERS, type="FlattenPVTv2", la_sr_ratios="1111", attn_type="LLSS", **LINEAR),
     WIDTHS, STRIDES, SIZES,
     lambda: pyramid_v2_of(O["flatten_pvt_v2"], la_sr_ratios="1111", attn_type="LLSS"), itself,
     lambda model, x: pyramid(model, x, hasTable=False),
     flatten_origin("models/flatten_pvt_v2.py", "PyramidVisionTransformerV2")),
    ("swin", dict(SWIN, type="Swin", window_size=4, qkv_bias=True, norm_eps=1e-5), DOUBLING, STRIDES,
     SIZES,
     lambda: O["MMSwin"](
         pretrain_img_size=64, embed_dims=16, window_size=4, mlp_ratio=2, depths=SWIN["depths"],
         num_heads=SWIN["num_heads"]),
     itself, lambda model, x: model(x),
     origin(O["MMSEG"], "mmseg/models/backbones/swin.py", "SwinTransformer")),
    ("flatten_swin",
     dict(SWIN, type="FlattenSwin", window_size=4, attn_type="LLSS", qkv_bias=True, norm_eps=1e-5,
          out_norms=False, **LINEAR),
     DOUBLING, STRIDES, [(64, 128), (128, 64)],
     lambda: flatten_swin_of(64), lambda native, size: fitted(native.state_dict(), flatten_swin_of(size)),
     oblong_swin_maps, flatten_origin("models/flatten_swin.py", "FLattenSwinTransformer")),
    ("cswin", dict(DENSE_CSWIN, type="CSwin", qkv_bias=True, norm_eps=1e-5), DOUBLING, STRIDES, SIZES,
     lambda: O["cswin_dense"].CSWin(**DENSE_CSWIN), itself,
     lambda model, x: model(x),
     origin(f"microsoft/CSWin-Transformer commit {commit('cswin')}",
            "segmentation/backbone/cswin_transformer.py", "CSWin")),
    ("flatten_cswin",
     dict(CSWIN, type="FlattenCSwin", split_size=[1, 2, 2, 2], la_split_size="16-8-4-2",
          attn_type="LLSS", qkv_bias=True, norm_eps=1e-5, out_norms=False, **LINEAR),
     DOUBLING, STRIDES, [(128, 128), (96, 96)],
     lambda: flatten_cswin_of(64),
     lambda native, size: fitted(native.state_dict(), flatten_cswin_of(size[0])), cswin_maps,
     flatten_origin("models/flatten_cswin.py", "CSWinTransformer")),
    ("deit", dict(DEIT, type="DeiT"), [24], [8], SIZES, lambda: vision_of(64, False),
     lambda native, size: fitted(
         native.state_dict(), vision_of(padded(size), False), leading=1,
         sizes=tuple(side // 8 for side in padded(size))),
     vision_maps,
     origin(
         f"timm {O['timm'].__version__}, called as facebookresearch/deit commit {commit('deit')} does",
         "models/vision_transformer.py", "VisionTransformer")),
    ("flatten_deit", dict(DEIT, type="FlattenDeiT", **LINEAR), [24], [8], SIZES,
     lambda: vision_of(64, True),
     lambda native, size: fitted(
         native.state_dict(), vision_of(padded(size), True), leading=1,
         sizes=tuple(side // 8 for side in padded(size))),
     vision_maps, origin("Tools/reference/families.py", "families.py", "FlattenDeiTAttention")),
]


# Segmentors


class Segmentor(nn.Module):
    """The parts under the names of mmsegmentation's EncoderDecoder."""

    def __init__(self, backbone, widths, strides, head):
        super().__init__()
        self.backbone = backbone
        common = dict(
            channels=HEAD, num_classes=CLASSES, in_index=list(range(len(widths))),
            norm_cfg=dict(type="BN"), align_corners=False)
        if head == "FPNHead":
            self.neck = FPN(in_channels=list(widths), out_channels=NECK, num_outs=len(widths))
            self.decode_head = FPNHead(
                feature_strides=strides, in_channels=[NECK] * len(widths), **common)
        else:
            self.decode_head = UPerHead(in_channels=widths, pool_scales=(1, 2, 3, 6), **common)

    def results(self, x, maps):
        values = {}
        stages = maps(self.backbone, x)
        values.update((f"stage{index + 1}", map_) for index, map_ in enumerate(stages))
        if hasattr(self, "neck"):
            stages = self.neck(tuple(stages))
            values.update((f"fpn{index + 1}", map_) for index, map_ in enumerate(stages))
        values["logits"] = self.decode_head(stages)
        values["logits_full"] = F.interpolate(
            values["logits"], size=x.shape[2:], mode="bilinear", align_corners=False)
        return values


def key_list(name, model):
    """The keys and shapes of a model, in the format of Tests/FamilyFixtures/keys."""
    os.makedirs(os.path.join(OUT, "keys"), exist_ok=True)
    with open(os.path.join(OUT, "keys", name + ".txt"), "w") as file:
        for key, value in model.state_dict().items():
            type_ = "" if value.is_floating_point() else " int"
            shape = "x".join(map(str, value.shape)) or "scalar"
            file.write(f"{key} {shape}{type_}\n")


def run(model, x, maps, dtype):
    with torch.no_grad():
        return copy.deepcopy(model).to(dtype).results(x.to(dtype), maps)


def stored(name, exact, single):
    """What is kept of a result, and its description."""
    difference = (single.double() - exact).abs().max().item()
    largest = exact.abs().max().item()
    atol = float(f"{max(16 * difference, 5e-6 * largest):.3g}")
    # The design's bound of a whole model.
    assert difference < atol <= 1e-4 * largest, (name, difference, largest)
    entry = {
        "shape": list(exact.shape), "dtype": "float32", "atol": atol,
        "float64_diff": float(f"{difference:.3g}"), "largest": float(f"{largest:.4g}"),
    }
    steps = {"logits": None, "logits_full": FULL_STEPS}.get(name, MAP_STEPS)
    kept = exact
    if steps is not None:
        kept = exact[:, :, ::steps[0], ::steps[1]]
        entry["stride"] = steps
    return kept.float().contiguous(), entry


def case(name, backbone, params, head, model, keys, x, maps, origins, notes):
    folder = os.path.join(OUT, name)
    os.makedirs(folder)
    single, double = (run(model, x, maps, dtype) for dtype in (torch.float32, torch.float64))
    tensors, entries = {}, {}
    for key, exact in double.items():
        tensors[key], entries[key] = stored(key, exact, single[key])
    full = double["logits_full"]
    tensors["labels"] = full.argmax(dim=1).to(torch.uint8)
    # Pixels whose two best classes may change places when both are as wrong as they may be.
    best = full.topk(2, dim=1).values
    close = (best[:, 0] - best[:, 1] < 2 * entries["logits_full"]["atol"]).sum().item()
    entries["labels"] = {
        "shape": list(tensors["labels"].shape), "dtype": "uint8", "max_mismatched_pixels": close,
    }
    assert (single["logits_full"].argmax(dim=1) != full.argmax(dim=1)).sum().item() <= close
    save_file(tensors, os.path.join(folder, "expected.safetensors"))
    parts = {"backbone": params}
    if head == "FPNHead":
        parts["neck"] = {"out_channels": NECK}
    parts["decode_head"] = {
        "type": head, "num_classes": CLASSES, "channels": HEAD, "align_corners": False,
    }
    description = {
        "id": name, "kind": "segmentor", "upstream": origins, "params": parts,
        "files": {"keys": f"../keys/{keys}.txt", "expected": "expected.safetensors"},
        "inputs": {"x": {"shape": list(x.shape), "dtype": "float32", "formula": True}},
        "expected": entries, "notes": notes,
    }
    with open(os.path.join(folder, "case.json"), "w") as file:
        json.dump(description, file, indent=1)
        file.write("\n")
    worst = max(entry["float64_diff"] / entry["largest"] for entry in entries.values() if "largest" in entry)
    print(name, f"{worst:.1e}", close, flush=True)


def main():
    versions = f"torch {torch.__version__}, timm {O['timm'].__version__}, {O['MMSEG']}, {O['MMDET']}"
    print(versions)
    for name in os.listdir(OUT) if os.path.isdir(OUT) else []:
        if name != "README.md":
            path = os.path.join(OUT, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    cases = []
    for backbone, params, widths, strides, sizes, make, adapted, maps, source in BACKBONES:
        heads = ["FPNHead"] + (["UPerHead"] if backbone in ("flatten_pvt", "swin") else [])
        for head in heads:
            short = {"FPNHead": "fpn", "UPerHead": "uper"}[head]
            native = filled(Segmentor(make(), widths, strides, head))
            keys = f"{short}_{backbone}"
            key_list(keys, native)
            for index, size in enumerate(sizes):
                model = copy.deepcopy(native)
                model.backbone = adapted(native.backbone, size)
                # Two pictures in the second, the smaller.
                shape = (1 + index, 3, *size)
                x = torch.from_numpy(2 * S["uniform"]("x", shape))
                origins = [source]
                if head == "FPNHead":
                    origins.append(origin(O["MMSEG"], "mmseg/models/necks/fpn.py", "FPN"))
                file = "fpn_head.py" if head == "FPNHead" else "uper_head.py"
                origins.append(origin(O["MMSEG"], f"mmseg/models/decode_heads/{file}", head))
                name = f"{keys}_{size[0]}x{size[1]}"
                case(name, backbone, params, head, model.eval(), keys, x, maps, origins, [])
                cases.append({"id": name, "kind": "segmentor"})
    with open(os.path.join(OUT, "index.json"), "w") as file:
        rows = ",\n".join("  " + json.dumps(entry) for entry in cases)
        file.write(f'{{"versions": {json.dumps(versions)},\n "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
