#!/usr/bin/env python3
"""Samples of the maps of full-size backbones at 512x512 and 500x333, computed by the original code.

    Tools/reference/full_size.py SOURCES [OUT]

SOURCES and the Python packages are those of families.py. OUT is Tests/FullSizeFixtures unless given. Weights
and pictures are not stored: both sides compute them from a name and an index (`values`).
"""
import json
import os
import runpy
import sys
import tempfile
from functools import partial

import numpy
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/FullSizeFixtures")
SAMPLES = 96


def originals():
    """The names that families.py defines, without its files."""
    arguments = sys.argv
    sys.argv = ["families.py", SOURCES, tempfile.mkdtemp()]
    try:
        return runpy.run_path(os.path.join(HERE, "families.py"), run_name="originals")
    finally:
        sys.argv = arguments


O = originals()
resized, fitted, einops, F = O["resized"], O["fitted"], O["einops"], O["F"]


# Numbers that both sides compute


def mixed(name, count):
    """`count` well mixed 32-bit numbers that belong to a name."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    z = (numpy.arange(count, dtype=numpy.uint64) * 2654435761 + seed & 0xFFFFFFFF).astype(numpy.uint32)
    z ^= z >> 16
    z *= numpy.uint32(0x85EBCA6B)
    z ^= z >> 13
    z *= numpy.uint32(0xC2B2AE35)
    return z ^ z >> 16


def uniform(name, shape):
    """Numbers in [-1, 1), exact in float32."""
    count = int(numpy.prod(shape))
    numbers = (mixed(name, count) >> 8).astype(numpy.float32)
    return (numbers * numpy.float32(2**-23) - numpy.float32(1)).reshape(shape)


def values(name, shape):
    """A parameter by its name and shape: matrices keep the size of what passes through them."""
    u = uniform(name, shape)
    if len(shape) > 1 and not any(word in name for word in ("pos", "scale", "token", "table")):
        return u * numpy.float32((3 / numpy.prod(shape[1:])) ** 0.5)
    if "norm" in name and name.endswith("weight") or name.endswith("running_var"):
        return 1 + numpy.float32(0.5) * u
    return numpy.float32(0.5) * u


def filled(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(values(name, tuple(parameter.shape))))
    model.eval()  # mmsegmentation's Swin returns nothing here
    return model


# Original models


def pyramid(model, x, hasTable):
    """FLatten-PVT's and PVTv2's loops over their stages; every table is resized to the stage's grid."""
    maps = []
    for stage in range(1, 5):
        embedded = getattr(model, f"patch_embed{stage}")(x)
        tokens, (h, w) = embedded if hasTable else (embedded[0], embedded[1:])
        if hasTable:
            tokens = tokens + resized(getattr(model, f"pos_embed{stage}"), (h, w))
        for block in getattr(model, f"block{stage}"):
            if hasattr(block.attn, "positional_encoding"):
                block.attn.positional_encoding = torch.nn.Parameter(
                    resized(block.attn.positional_encoding, (h, w)))
            tokens = block(tokens, h, w)
        if not hasTable:
            tokens = getattr(model, f"norm{stage}")(tokens)
        x = einops.rearrange(tokens, "b (h w) c -> b c h w", h=h)
        maps.append(x)
    return maps


def flatten_swin(side):
    """FLatten-Swin-T for pictures of a side: its linear stages have one window, the whole map."""
    code = O["flatten_swin"]
    numbers = dict(embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], attn_type="LLSS")
    native = filled(code.FLattenSwinTransformer(window_size=56, **numbers))
    model = code.FLattenSwinTransformer(img_size=side, window_size=56, **numbers)
    for layer in model.layers[:2]:
        for index, block in enumerate(layer.blocks):
            layer.blocks[index] = code.SwinTransformerBlock(
                dim=block.dim, input_resolution=block.input_resolution, num_heads=block.num_heads,
                window_size=block.input_resolution[0], attn_type="L")
    return fitted(native.state_dict(), model)


def swin_maps(model, x):
    maps = []
    tokens = model.patch_embed(x)
    for layer in model.layers:
        for block in layer.blocks:
            tokens = block(tokens)
        maps.append(einops.rearrange(tokens, "b (h w) c -> b c h w", h=int(tokens.shape[1] ** 0.5)))
        if layer.downsample is not None:
            tokens = layer.downsample(tokens)
    return maps


def flatten_cswin(side):
    code = O["flatten_cswin"].FLatten_CSWin_64_24181_tiny_224
    native = filled(code(attn_type="LLSS", la_split_size="56-28-14-7"))
    sides = "-".join(str(side // stride) for stride in (4, 8, 16, 32))
    return fitted(native.state_dict(), code(img_size=side, attn_type="LLSS", la_split_size=sides))


def cswin_maps(model, x):
    maps = []
    tokens = model.stage1_conv_embed(x)
    for stage in range(1, 5):
        if stage > 1:
            tokens = getattr(model, f"merge{stage - 1}")(tokens)
        for block in getattr(model, f"stage{stage}"):
            tokens = block(tokens)
        maps.append(einops.rearrange(tokens, "b (h w) c -> b c h w", h=int(tokens.shape[1] ** 0.5)))
    return maps


def vision(size, linear):
    """DeiT-T for pictures padded to whole patches."""
    padded = tuple((side + 15) // 16 * 16 for side in size)
    native = filled(O["vision"](192, 3, 12, 224, linear=linear))
    model = O["vision"](192, 3, 12, padded, linear=linear)
    return fitted(native.state_dict(), model, leading=1, sizes=(padded[0] // 16, padded[1] // 16))


def vision_maps(model, x):
    x = F.pad(x, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16))
    tokens = model.forward_features(x)
    return [einops.rearrange(tokens[:, 1:], "b (h w) c -> b c h w", h=x.shape[2] // 16)]


LETTERS = dict(la_sr_ratios="1111", attn_type="LLLL")
BOTH = [(512, 512), (500, 333)]
# Family and variant of a config, more of its keys, sizes, the model for a size, its maps, the list of its
# keys in Tests/FamilyFixtures. Where FLatten's code demands whole windows of 7 the size is 448.
MODELS = [
    ("flatten_pvt", "tiny", {}, BOTH,
     lambda size: filled(O["flatten_pvt"].flatten_pvt_tiny(**LETTERS)),
     partial(pyramid, hasTable=True), "flatten_pvt_tiny"),
    ("flatten_pvt_v2", "b0", {}, BOTH,
     lambda size: filled(O["flatten_pvt_v2"].flatten_pvt_v2_b0(**LETTERS)),
     partial(pyramid, hasTable=False), "flatten_pvt_v2_b0"),
    ("flatten_swin", "tiny", {}, [(448, 448)], lambda size: flatten_swin(size[0]), swin_maps,
     "flatten_swin_tiny"),
    ("flatten_cswin", "tiny", {}, [(448, 448)], lambda size: flatten_cswin(size[0]), cswin_maps,
     "flatten_cswin_tiny"),
    ("flatten_deit", "tiny", {}, BOTH, lambda size: vision(size, True), vision_maps, None),
    ("pvt", "tiny", {"inner_norm_eps": 1e-6}, BOTH,
     lambda size: filled(O["MMPVT"](num_layers=[2, 2, 2, 2])), lambda model, x: model(x),
     "pvt_tiny_mmdetection"),
    ("pvt_v2", "b0", {}, BOTH, lambda size: filled(O["pvt_v2"].pvt_v2_b0()),
     partial(pyramid, hasTable=False), "pvt_v2_b0"),
    ("pvt_v2", "b2_li", {}, BOTH, lambda size: filled(O["pvt_v2"].pvt_v2_b2_li()),
     partial(pyramid, hasTable=False), "pvt_v2_b2_li"),
    ("swin", "tiny", {}, BOTH, lambda size: filled(O["MMSwin"]()), lambda model, x: model(x),
     "swin_tiny_mmsegmentation"),
    ("cswin", "tiny", {}, BOTH,
     lambda size: filled(O["cswin_dense"].CSWin(
         embed_dim=64, depth=[1, 2, 21, 1], split_size=[1, 2, 7, 7], num_heads=[2, 4, 8, 16])),
     lambda model, x: model(x), "cswin_tiny_dense"),
    ("deit", "tiny", {}, BOTH, lambda size: vision(size, False), vision_maps, "deit_tiny"),
]


def main():
    os.makedirs(OUT, exist_ok=True)
    versions = f"torch {torch.__version__}, timm {O['timm'].__version__}, {O['MMSEG']}, {O['MMDET']}"
    cases = []
    for family, variant, more, sizes, make, maps, keys in MODELS:
        for size in sizes:
            x = torch.from_numpy(2 * uniform("x", (1, 3, *size)))
            with torch.no_grad():
                single = maps(make(size), x)
                double = maps(make(size).double(), x.double())
            stages = []
            for index, (value, exact) in enumerate(zip(single, double)):
                difference = (value.double() - exact).abs().max().item()
                largest = value.abs().max().item()
                places = mixed(f"stage{index + 1}", SAMPLES).astype(numpy.int64) % value.numel()
                stages.append({
                    "shape": list(value.shape), "atol": float(f"{max(16 * difference, 5e-6 * largest):.3g}"),
                    "largest": float(f"{largest:.4g}"),
                    "values": [float(f"{number:.9g}") for number in value.flatten()[places].tolist()],
                })
                print(family, variant, size, index + 1, f"{difference / largest:.1e}", f"{largest:.3g}", flush=True)
            cases.append({
                "family": family, "variant": variant, "config": more, "keys": keys, "height": size[0],
                "width": size[1], "stages": stages,
            })
    with open(os.path.join(OUT, "maps.json"), "w") as file:
        rows = ",\n".join("  " + json.dumps(case) for case in cases)
        file.write(f'{{"versions": {json.dumps(versions)},\n "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
