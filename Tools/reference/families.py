#!/usr/bin/env python3
"""Golden cases and key lists of the Swin, CSwin, DeiT and PVT families and of SegFormer's head, made with
their original code.

    Tools/reference/families.py SOURCES [OUT]

SOURCES holds plain checkouts: flatten (LeapLabTHU/FLatten-Transformer), swin (microsoft/Swin-Transformer),
cswin (microsoft/CSWin-Transformer), pvt (whai362/PVT) and deit (facebookresearch/deit), each with its
commit in a file COMMIT. OUT is Tests/FamilyFixtures unless given. mmsegmentation and mmdetection come
from Python packages:

    pip install torch timm einops safetensors mmengine
    pip install --no-deps mmcv-lite==2.1.0 mmsegmentation==1.2.2 mmdet==3.3.0

The format of the cases is that of Tests/Fixtures. Nothing here computes a value by itself but the class
FlattenDeiTAttention, of which no original exists.
"""
import json
import os
import shutil
import sys
import types
import warnings

warnings.filterwarnings("ignore")


class Missing(types.ModuleType):
    """mmcv's compiled operators, which none of these models calls."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


sys.modules["mmcv._ext"] = Missing("mmcv._ext")

import einops  # noqa: E402
import mmdet  # noqa: E402
import mmseg  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from mmdet.models.backbones.pvt import (  # noqa: E402
    PyramidVisionTransformer as MMPVT,
    PyramidVisionTransformerV2 as MMPVTv2,
)
from mmseg.models.backbones.swin import SwinTransformer as MMSwin  # noqa: E402
from mmseg.models.decode_heads.segformer_head import SegformerHead  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/FamilyFixtures")


# Original code


def module(project, path, replace=()):
    """A file of a checkout as a module; `replace` are pairs of texts, for imports only."""
    with open(os.path.join(SOURCES, project, path)) as file:
        text = file.read()
    for old, new in replace:
        assert old in text, f"{path} has no {old!r}"
        text = text.replace(old, new)
    made = types.ModuleType(project + "_" + os.path.basename(path)[:-3])
    made.__file__ = path
    sys.modules[made.__name__] = made
    exec(compile(text, path, "exec"), made.__dict__)
    return made


def commit(project):
    with open(os.path.join(SOURCES, project, "COMMIT")) as file:
        return file.read().strip()


flatten_swin = module("flatten", "models/flatten_swin.py")
flatten_cswin = module("flatten", "models/flatten_cswin.py")
flatten_pvt = module("flatten", "models/flatten_pvt.py")
flatten_pvt_v2 = module("flatten", "models/flatten_pvt_v2.py")
swin = module("swin", "models/swin_transformer.py")
cswin = module("cswin", "models/cswin.py")
cswin_dense = module(
    "cswin", "segmentation/backbone/cswin_transformer.py",
    [
        ("from timm.models.resnet import resnet26d, resnet50d\n", ""),
        ("from mmcv_custom import load_checkpoint\n", ""),
        ("from mmseg.utils import get_root_logger\n", ""),
        ("from ..builder import BACKBONES\n", ""),
        ("@BACKBONES.register_module()\n", ""),
    ])
pvt = module("pvt", "classification/pvt.py")
pvt_v2 = module("pvt", "classification/pvt_v2.py")


class FlattenDeiTAttention(nn.Module):
    """Focused linear attention on DeiT's tokens: a class token, then the patches.

    No official code exists. The class token is a token like any other, with its own row of positions;
    the depthwise convolution runs over the patches.
    """

    def __init__(self, dim, heads, grid, power=3, kernel=5):
        super().__init__()
        self.heads, self.grid, self.power = heads, grid, power
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        width = dim // heads
        self.dwc = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.scale = nn.Parameter(torch.zeros(1, 1, dim))
        self.positional_encoding = nn.Parameter(torch.zeros(1, 1 + grid[0] * grid[1], dim))

    def focus(self, x):
        x = (F.relu(x) + 1e-6) / F.softplus(self.scale)
        cubed = x ** self.power
        return cubed / cubed.norm(dim=-1, keepdim=True) * x.norm(dim=-1, keepdim=True)

    def forward(self, x, *args, **kwargs):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k = self.focus(q), self.focus(k + self.positional_encoding)
        q, k, v = (einops.rearrange(t, "b n (h d) -> b h n d", h=self.heads) for t in (q, k, v))
        scores = q @ k.transpose(-2, -1)  # quadratic on purpose: the definition
        mixed = (scores @ v) / k.shape[2] / (scores.mean(dim=-1, keepdim=True) + 1e-6)
        h, w = self.grid
        maps = einops.rearrange(v[:, :, 1:], "b s (h w) d -> (b s) d h w", h=h, w=w)
        local = einops.rearrange(
            self.dwc(maps), "(b s) d h w -> b s (h w) d", s=self.heads)
        mixed = torch.cat([mixed[:, :, :1], mixed[:, :, 1:] + local], dim=2)
        return self.proj(einops.rearrange(mixed, "b h n d -> b n (h d)"))


def vision(dim, heads, depth, size, patch=16, linear=False, classes=1000, ratio=4):
    """DeiT's model: deit/models.py calls timm's with exactly these arguments."""
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=size, patch_size=patch, embed_dim=dim, depth=depth, num_heads=heads, mlp_ratio=ratio,
        qkv_bias=True, num_classes=classes,
        norm_layer=lambda width, **kwargs: nn.LayerNorm(width, eps=1e-6))
    if linear:
        for block in model.blocks:
            block.attn = FlattenDeiTAttention(dim, heads, model.patch_embed.grid_size)
    return model


# Cases


def randomise(model, seed):
    """Numbers without a pattern everywhere: no bias is 0, no norm's weight is 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1 and not any(
                    word in name for word in ("pos", "scale", "token", "table")):
                noise = noise * parameter[0].numel() ** -0.5
            elif "norm" in name and name.endswith("weight"):
                noise = 1 + 0.3 * noise
            else:
                noise = 0.5 * noise
            parameter.copy_(noise)
    return model.eval()


CASES = []


def case(name, kind, origin, params, run, x, weights, notes=()):
    """Writes a case; `run` gives named results for a model's dtype."""
    folder = os.path.join(OUT, name)
    os.makedirs(folder)
    single = {key: value.detach().contiguous() for key, value in run(torch.float32).items()}
    double = run(torch.float64)
    expected = {}
    for key, value in single.items():
        difference = (value.double() - double[key]).abs().max().item()
        largest = value.abs().max().item()
        expected[key] = {
            "shape": list(value.shape), "dtype": "float32",
            "atol": float(f"{max(16 * difference, 5e-6 * largest):.3g}"),
            "float64_diff": float(f"{difference:.3g}"),
        }
    save_file({"x": x.contiguous()}, os.path.join(folder, "inputs.safetensors"))
    save_file(single, os.path.join(folder, "expected.safetensors"))
    save_file(
        {key: value.contiguous() for key, value in weights.items()},
        os.path.join(folder, "weights.safetensors"))
    description = {
        "id": name, "kind": kind, "upstream": origin, "params": params,
        "files": {part: f"{part}.safetensors" for part in ("inputs", "weights", "expected")},
        "inputs": {"x": {"shape": list(x.shape), "dtype": "float32"}},
        "expected": expected, "notes": list(notes),
    }
    with open(os.path.join(folder, "case.json"), "w") as file:
        json.dump(description, file, indent=1)
        file.write("\n")
    CASES.append({"id": name, "kind": kind})
    print(name, {key: value["float64_diff"] for key, value in expected.items()})


def noise(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stages(model, x):
    def run(dtype):
        with torch.no_grad():
            maps = model.to(dtype)(x.to(dtype))
        return {f"stage{index + 1}": value for index, value in enumerate(maps)}
    return run


def classifier(model, x, features):
    def run(dtype):
        with torch.no_grad():
            pooled = features(model.to(dtype), x.to(dtype))
            return {"features": pooled, "logits": model.head(pooled)}
    return run


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def resized(table, side, leading=0):
    """A table `[1, leading + n, C]` of positions for another grid, as dense PVT resizes its own."""
    first, rest = table[:, :leading], table[:, leading:]
    old = int(rest.shape[1] ** 0.5)
    size = side if isinstance(side, tuple) else (side, side)
    grid = rest.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    return torch.cat([first, grid.flatten(2).transpose(1, 2)], dim=1)


def fitted(weights, model, leading=0, sizes=None):
    """`weights` for a model of another picture size: position tables resized, buffers its own."""
    result = {}
    for key, own in model.state_dict().items():
        value = weights.get(key, own)
        if value.shape != own.shape or key not in weights:
            if "positional_encoding" in key or key == "pos_embed":
                size = sizes or int((own.shape[1] - leading) ** 0.5)
                value = resized(value, size, leading)
            else:
                assert "attn_mask" in key or "relative_position_index" in key, key
                value = own
        result[key] = value
    model.load_state_dict(result)
    return model.eval()


def origin(source, file, name):
    return {"source": source, "file": file, "name": name}


MMSEG = f"mmsegmentation {mmseg.__version__}"
MMDET = f"mmdetection {mmdet.__version__}"


def swin_cases():
    params = {
        "type": "Swin", "img_size": 64, "embed_dim": 4, "depths": [2, 2, 2, 2],
        "num_heads": [1, 2, 4, 4], "window_size": 4, "mlp_ratio": 2, "qkv_bias": True,
        "norm_eps": 1e-5,
    }
    for name, size, batch, window in [
            ("swin_mmseg_37x54", (37, 54), 2, 4), ("swin_mmseg_30x67", (30, 67), 1, 7)]:
        model = MMSwin(
            pretrain_img_size=64, embed_dims=4, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 4),
            window_size=window, mlp_ratio=2)
        randomise(model, seed=1)
        x = noise(batch, 3, *size, seed=2)
        weights = state(model)
        case(
            name, "backbone", origin(MMSEG, "mmseg/models/backbones/swin.py", "SwinTransformer"),
            dict(params, window_size=window), stages(model, x), x, weights,
            ["mmsegmentation's names, patch merging in unfold order, norm0 to norm3",
             "every side is padded; maps smaller than a window shift all the same"])

    model = swin.SwinTransformer(
        img_size=64, embed_dim=4, depths=[1, 2, 2, 1], num_heads=[1, 2, 4, 4], window_size=4,
        mlp_ratio=2, num_classes=10)
    randomise(model, seed=3)
    x = noise(2, 3, 64, 64, seed=4)
    weights = state(model)
    case(
        "cls_swin", "classifier",
        origin(f"microsoft/Swin-Transformer commit {commit('swin')}", "models/swin_transformer.py",
               "SwinTransformer"),
        dict(params, depths=[1, 2, 2, 1], num_classes=10),
        classifier(model, x, lambda m, x: m.forward_features(x)), x, weights,
        ["the last stages' maps are not larger than a window: no shift there"])


def flatten_swin_case():
    params = {
        "type": "FlattenSwin", "img_size": 56, "patch_size": 2, "in_chans": 1, "embed_dim": 4,
        "depths": [1, 1, 2], "num_heads": [1, 2, 4], "window_size": 56, "mlp_ratio": 2,
        "attn_type": "LLS", "qkv_bias": True, "norm_eps": 1e-5, "focusing_factor": 3,
        "kernel_size": 5, "out_norms": False,
    }

    def build(size):
        return flatten_swin.FLattenSwinTransformer(
            img_size=size, patch_size=2, in_chans=1, embed_dim=4, depths=[1, 1, 2],
            num_heads=[1, 2, 4], window_size=56, mlp_ratio=2, attn_type="LLS")

    native = randomise(build(56), seed=5)
    x = noise(1, 1, 112, 112, seed=6)
    weights = state(native)
    model = fitted(weights, build(112))

    def run(dtype):
        maps = {}
        with torch.no_grad():
            tokens = model.to(dtype).patch_embed(x.to(dtype))
            for index, layer in enumerate(model.layers):
                for block in layer.blocks:
                    tokens = block(tokens)
                side = int(tokens.shape[1] ** 0.5)
                maps[f"stage{index + 1}"] = einops.rearrange(
                    tokens, "b (h w) c -> b c h w", h=side)
                if layer.downsample is not None:
                    tokens = layer.downsample(tokens)
        return maps

    case(
        "flatten_swin_LLS_56_at_112", "backbone",
        origin(f"LeapLabTHU/FLatten-Transformer commit {commit('flatten')}",
               "models/flatten_swin.py", "FLattenSwinTransformer"),
        params, run, x, weights,
        ["weights of 56 pixels; the model that ran was built for 112, positional_encoding resized "
         "bilinearly", "softmax windows of 7 are one at the native size and four, shifted, at 112"])


def flatten_cswin_case():
    params = {
        "type": "FlattenCSwin", "img_size": 64, "in_chans": 1, "embed_dim": 4,
        "depth": [1, 1, 2, 1], "num_heads": [2, 2, 4, 4], "split_size": [1, 2, 2, 2],
        "la_split_size": "16-8-4-2", "mlp_ratio": 2, "attn_type": "LLSS", "qkv_bias": True,
        "norm_eps": 1e-5, "focusing_factor": 3, "kernel_size": 5, "out_norms": False,
    }

    def build(size):
        sides = "-".join(str(size // stride) for stride in (4, 8, 16, 32))
        return flatten_cswin.CSWinTransformer(
            img_size=size, patch_size=4, in_chans=1, num_classes=10, embed_dim=4,
            depth=[1, 1, 2, 1], num_heads=[2, 2, 4, 4], split_size=[1, 2, 2, 2],
            la_split_size=sides, mlp_ratio=2, attn_type="LLSS")

    native = randomise(build(64), seed=7)
    x = noise(1, 1, 128, 128, seed=8)
    weights = state(native)
    model = fitted(weights, build(128))

    def run(dtype):
        maps = {}
        with torch.no_grad():
            tokens = model.to(dtype).stage1_conv_embed(x.to(dtype))
            for index in range(4):
                if index > 0:
                    tokens = getattr(model, f"merge{index}")(tokens)
                for block in getattr(model, f"stage{index + 1}"):
                    tokens = block(tokens)
                side = int(tokens.shape[1] ** 0.5)
                maps[f"stage{index + 1}"] = einops.rearrange(
                    tokens, "b (h w) c -> b c h w", h=side)
        return maps

    case(
        "flatten_cswin_LLSS_64_at_128", "backbone",
        origin(f"LeapLabTHU/FLatten-Transformer commit {commit('flatten')}",
               "models/flatten_cswin.py", "CSWinTransformer"),
        params, run, x, weights,
        ["weights of 64 pixels; the model that ran was built for 128, positional_encoding resized "
         "bilinearly"])


def cswin_cases():
    params = {
        "type": "CSwin", "img_size": 64, "embed_dim": 4, "depth": [1, 1, 2, 1],
        "num_heads": [2, 4, 8, 16], "split_size": [1, 2, 3, 7], "mlp_ratio": 2, "qkv_bias": True,
        "norm_eps": 1e-5,
    }
    for name, size, batch in [("cswin_dense_37x54", (37, 54), 2), ("cswin_dense_90x35", (90, 35), 1)]:
        model = cswin_dense.CSWin(
            img_size=64, embed_dim=4, depth=[1, 1, 2, 1], split_size=[1, 2, 3, 7],
            num_heads=[2, 4, 8, 16], mlp_ratio=2)
        randomise(model, seed=9)
        x = noise(batch, 3, *size, seed=10)
        weights = state(model)
        case(
            name, "backbone",
            origin(f"microsoft/CSWin-Transformer commit {commit('cswin')}",
                   "segmentation/backbone/cswin_transformer.py", "CSWin"),
            params, stages(model, x), x, weights,
            ["stripes padded on both sides, norm1 to norm4", "only lines of imports were changed"])

    model = cswin.CSWinTransformer(
        img_size=64, patch_size=4, num_classes=10, embed_dim=4, depth=[1, 1, 2, 1],
        split_size=[1, 2, 2, 2], num_heads=[2, 4, 8, 16], mlp_ratio=2)
    randomise(model, seed=11)
    x = noise(2, 3, 64, 64, seed=12)
    weights = state(model)
    case(
        "cls_cswin", "classifier",
        origin(f"microsoft/CSWin-Transformer commit {commit('cswin')}", "models/cswin.py",
               "CSWinTransformer"),
        dict(params, split_size=[1, 2, 2, 2], num_classes=10),
        classifier(model, x, lambda m, x: m.forward_features(x)), x, weights)


def vision_cases():
    params = {
        "img_size": 32, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 3,
        "mlp_ratio": 2, "qkv_bias": True, "norm_eps": 1e-6, "num_classes": 10,
    }
    timm_origin = origin(
        f"timm {timm.__version__}, called as facebookresearch/deit commit {commit('deit')} does",
        "models/vision_transformer.py", "VisionTransformer")
    composed = origin("Tools/reference/families.py", "families.py", "FlattenDeiTAttention")
    for linear, kind in [(False, "deit"), (True, "flatten_deit")]:
        native = randomise(
            vision(12, 3, 2, 32, patch=8, linear=linear, classes=10, ratio=2), seed=13)
        weights = state(native)
        own = dict(params, type="FlattenDeiT" if linear else "DeiT")
        if linear:
            own.update(focusing_factor=3, kernel_size=5)
        for name, size in [(f"cls_{kind}", (32, 32)), (f"cls_{kind}_29x45", (29, 45))]:
            x = noise(2, 3, *size, seed=14)
            padded = tuple((side + 7) // 8 * 8 for side in size)
            grid = (padded[0] // 8, padded[1] // 8)
            model = fitted(
                weights, vision(12, 3, 2, padded, patch=8, linear=linear, classes=10, ratio=2),
                leading=1, sizes=grid)

            def features(m, x, size=size, padded=padded):
                x = F.pad(x, (0, padded[1] - size[1], 0, padded[0] - size[0]))
                return m.forward_features(x)[:, 0]

            def patches(dtype, model=model, x=x, size=size, padded=padded, grid=grid):
                padding = (0, padded[1] - size[1], 0, padded[0] - size[0])
                with torch.no_grad():
                    tokens = model.to(dtype).forward_features(F.pad(x.to(dtype), padding))
                return {"stage1": einops.rearrange(
                    tokens[:, 1:], "b (h w) c -> b c h w", h=grid[0])}

            notes = ["the picture is padded with zeros to whole patches; tables of positions are "
                     "resized bilinearly, the class token's row stays"] if size != (32, 32) else []
            if linear:
                notes.append("attention by definition: no original code of FLatten-DeiT exists")
            case(
                name, "classifier", composed if linear else timm_origin, own,
                classifier(model, x, features), x, weights, notes)
            if size != (32, 32):
                dense = {key: value for key, value in own.items() if key != "num_classes"}
                case(
                    f"{kind}_29x45", "backbone", composed if linear else timm_origin, dense,
                    patches, x, weights, notes)


def pvt_cases():
    params = {
        "img_size": 64, "embed_dims": [8, 16, 16, 24], "num_heads": [1, 2, 2, 3],
        "mlp_ratios": [2, 2, 1, 1], "depths": [1, 2, 1, 1], "sr_ratios": [8, 4, 2, 1],
        "qkv_bias": True, "norm_eps": 1e-6, "inner_norm_eps": 1e-6,
    }
    arguments = dict(
        embed_dims=8, num_layers=[1, 2, 1, 1], num_heads=[1, 2, 2, 3], mlp_ratios=[2, 2, 1, 1],
        sr_ratios=[8, 4, 2, 1])
    for name, type_, make in [
            ("pvt_mmdet_70x102", "DensePVT", lambda: MMPVT(pretrain_img_size=64, **arguments)),
            ("pvt_v2_mmdet_37x54", "DensePVTv2", lambda: MMPVTv2(**arguments))]:
        size = tuple(int(side) for side in name.split("_")[-1].split("x"))
        model = randomise(make(), seed=15)
        x = noise(1, 3, *size, seed=16)
        weights = state(model)
        case(
            name, "backbone",
            origin(MMDET, "mmdet/models/backbones/pvt.py", type(model).__name__),
            dict(params, type=type_), stages(model, x), x, weights,
            ["mmdetection's names; q, k and v in one matrix; all norms have epsilon 1e-6"])


def segformer_case():
    """PVTv2 and SegFormer's head at a size whose grids are no multiples of each other."""
    params = {
        "type": "PVTv2", "img_size": 64, "embed_dims": [8, 16, 20, 24], "num_heads": [1, 2, 4, 8],
        "mlp_ratios": [2, 2, 2, 2], "depths": [1, 1, 1, 1], "sr_ratios": [8, 4, 2, 1],
        "qkv_bias": True, "norm_eps": 1e-6,
    }
    backbone = pvt_v2.PyramidVisionTransformerV2(
        img_size=64, num_classes=0, embed_dims=params["embed_dims"], num_heads=params["num_heads"],
        mlp_ratios=params["mlp_ratios"], qkv_bias=True,
        norm_layer=lambda width: nn.LayerNorm(width, eps=1e-6), depths=params["depths"],
        sr_ratios=params["sr_ratios"])
    head = SegformerHead(
        in_channels=params["embed_dims"], in_index=[0, 1, 2, 3], channels=12, num_classes=11,
        norm_cfg=dict(type="BN"), align_corners=False)
    model = randomise(nn.ModuleDict({"backbone": backbone, "decode_head": head}), seed=17)
    generator = torch.Generator().manual_seed(18)
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith("running_mean"):
            buffer.copy_(0.5 * torch.randn(buffer.shape, generator=generator))
        elif name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    size = (61, 90)
    x = noise(2, 3, *size, seed=19)
    weights = state(model)

    def run(dtype):
        m = model.to(dtype)
        maps, current = [], x.to(dtype)
        with torch.no_grad():
            for stage in range(1, 5):
                tokens, h, w = getattr(m["backbone"], f"patch_embed{stage}")(current)
                for block in getattr(m["backbone"], f"block{stage}"):
                    tokens = block(tokens, h, w)
                tokens = getattr(m["backbone"], f"norm{stage}")(tokens)
                current = einops.rearrange(tokens, "b (h w) c -> b c h w", h=h)
                maps.append(current)
            logits = m["decode_head"](maps)
        stages = {f"stage{index + 1}": value for index, value in enumerate(maps)}
        return dict(stages, logits=logits)

    case(
        "segformer_pvt_v2_61x90", "segmentor",
        [origin(MMSEG, "mmseg/models/decode_heads/segformer_head.py", "SegformerHead"),
         origin(f"whai362/PVT commit {commit('pvt')}", "classification/pvt_v2.py",
                "PyramidVisionTransformerV2")],
        {"backbone": params,
         "decode_head": {"type": "SegformerHead", "num_classes": 11, "channels": 12,
                         "align_corners": False}},
        run, x, weights, ["the stages' modules are called in turn, as forward_features does"])


# Key lists and counts


def published():
    """Every published variant: our family and variant, the original model, built without memory."""
    p = flatten_pvt
    yield "flatten_pvt", "tiny", lambda: p.flatten_pvt_tiny(la_sr_ratios="1111", attn_type="LLLL")
    yield "flatten_pvt", "small", lambda: p.flatten_pvt_small(la_sr_ratios="1111", attn_type="LLLL")
    yield "flatten_pvt", "medium", lambda: p.flatten_pvt_medium(
        la_sr_ratios="1111", attn_type="LLLL")
    yield "flatten_pvt", "large", lambda: p.flatten_pvt_large(la_sr_ratios="1111", attn_type="LLLL")
    for size in range(6):
        make = getattr(flatten_pvt_v2, f"flatten_pvt_v2_b{size}")
        yield "flatten_pvt_v2", f"b{size}", lambda make=make: make(
            la_sr_ratios="1111", attn_type="LLLL")
    for size in ("tiny", "small", "medium", "large"):
        yield "pvt", size, getattr(pvt, f"pvt_{size}")
    for size in range(6):
        yield "pvt_v2", f"b{size}", getattr(pvt_v2, f"pvt_v2_b{size}")
    yield "pvt_v2", "b2_li", pvt_v2.pvt_v2_b2_li
    base = dict(embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32])
    small = dict(embed_dim=96, depths=[2, 2, 18, 2], num_heads=[3, 6, 12, 24])
    tiny = dict(embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24])
    large = dict(embed_dim=192, depths=[2, 2, 18, 2], num_heads=[6, 12, 24, 48])
    for size, numbers in [("tiny", tiny), ("small", small), ("base", base), ("large", large)]:
        yield "swin", size, lambda numbers=numbers: swin.SwinTransformer(window_size=7, **numbers)
    yield "swin", "base_384", lambda: swin.SwinTransformer(img_size=384, window_size=12, **base)
    for size, numbers in [("tiny", tiny), ("small", small), ("base", base)]:
        yield "flatten_swin", size, lambda numbers=numbers: flatten_swin.FLattenSwinTransformer(
            window_size=56, attn_type="LLSS", **numbers)
    yield "flatten_swin", "base_384", lambda: flatten_swin.FLattenSwinTransformer(
        img_size=384, window_size=96, attn_type="LLSS", **base)
    yield "cswin", "tiny", cswin.CSWin_64_12211_tiny_224
    yield "cswin", "small", cswin.CSWin_64_24322_small_224
    yield "cswin", "base", cswin.CSWin_96_24322_base_224
    yield "cswin", "large", cswin.CSWin_144_24322_large_224
    yield "cswin", "base_384", lambda: cswin.CSWin_96_24322_base_384(img_size=384)
    yield "cswin", "large_384", lambda: cswin.CSWin_144_24322_large_384(img_size=384)
    linear = dict(attn_type="LLSS", la_split_size="56-28-14-7")
    c = flatten_cswin
    yield "flatten_cswin", "tiny", lambda: c.FLatten_CSWin_64_24181_tiny_224(**linear)
    yield "flatten_cswin", "small", lambda: c.FLatten_CSWin_64_24322_small_224(**linear)
    yield "flatten_cswin", "base", lambda: c.FLatten_CSWin_96_36292_base_224(**linear)
    yield "flatten_cswin", "base_384", lambda: c.FLatten_CSWin_96_36292_base_384(
        img_size=384, attn_type="LLSS", la_split_size="96-48-24-12")
    for size, dim, heads in [("tiny", 192, 3), ("small", 384, 6), ("base", 768, 12)]:
        yield "deit", size, lambda dim=dim, heads=heads: vision(dim, heads, 12, 224)


def dense():
    """Backbones of dense prediction, in their toolboxes' spelling."""
    yield "swin", "tiny_mmsegmentation", lambda: MMSwin()
    yield "pvt", "tiny_mmdetection", lambda: MMPVT(num_layers=[2, 2, 2, 2])
    yield "pvt_v2", "b0_mmdetection", lambda: MMPVTv2(
        embed_dims=32, num_layers=[2, 2, 2, 2])
    yield "cswin", "tiny_dense", lambda: cswin_dense.CSWin(
        embed_dim=64, depth=[1, 2, 21, 1], split_size=[1, 2, 7, 7], num_heads=[2, 4, 8, 16])


LISTED = {
    "flatten_pvt_tiny", "flatten_pvt_v2_b0", "pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li", "swin_tiny",
    "swin_base_384", "flatten_swin_tiny", "flatten_swin_base_384", "cswin_tiny",
    "flatten_cswin_tiny", "flatten_cswin_base_384", "deit_tiny",
}


def key_lists():
    os.makedirs(os.path.join(OUT, "keys"))
    lines = []
    for group, isDense in [(published(), False), (dense(), True)]:
        for family, variant, make in group:
            model = make()
            name = f"{family}_{variant}"
            if not isDense:
                count = sum(value.numel() for value in model.parameters())
                lines.append(f"{family} {variant} {count}")
                print(lines[-1])
            if not isDense and name not in LISTED:
                continue
            with open(os.path.join(OUT, "keys", name + ".txt"), "w") as file:
                for key, value in model.state_dict().items():
                    type_ = "" if value.is_floating_point() else " int"
                    shape = "x".join(map(str, value.shape)) or "scalar"
                    file.write(f"{key} {shape}{type_}\n")
    with open(os.path.join(OUT, "parameters.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    versions = f"torch {torch.__version__}, timm {timm.__version__}, {MMSEG}, {MMDET}"
    print(versions)
    for name in os.listdir(OUT) if os.path.isdir(OUT) else []:
        if name != "README.md":
            path = os.path.join(OUT, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    swin_cases()
    flatten_swin_case()
    flatten_cswin_case()
    cswin_cases()
    vision_cases()
    pvt_cases()
    segformer_case()
    key_lists()
    with open(os.path.join(OUT, "index.json"), "w") as file:
        rows = ",\n".join("  " + json.dumps(entry) for entry in CASES)
        file.write(f'{{"versions": {json.dumps(versions)},\n "cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
