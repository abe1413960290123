#!/usr/bin/env python3
"""Golden attention matrices and ranks for `flatten-seg attention`.

    Tools/reference/attention_matrices.py SOURCES [OUT]

SOURCES holds plain checkouts: flatten (LeapLabTHU/FLatten-Transformer) and pvt (whai362/PVT), each with
its commit in a file COMMIT. OUT is Tests/AttentionMatrices unless given. Needs

    pip install torch timm einops numpy safetensors

Attention is linear in its values, so its matrix can be read off the original modules without a formula of
ours: they run, in float64, on the inputs and weights of a case of Tests/Fixtures with v replaced by one key
at a time, once as they are and once with their depthwise convolutions set to zero. What comes out, less
what comes out for v = 0, is a column of the matrix.

<case>.safetensors  attention [windows, heads, N, n] of the case's first picture and, where the module has
                    such a term, depthwise [windows, heads, d, N, n]: the matrix of a head is the first,
                    with the depthwise term of one of its channels the sum of both
ranks.safetensors   <name> a matrix; <name>.values its singular values by numpy; <name>.ranks what
                    numpy.linalg.matrix_rank says with the epsilon of float32 and of float64
"""
import json
import os
import sys
import types
import warnings

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.numpy import save_file as save_numpy  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "../../Tests/Fixtures/attention")
SOURCES = sys.argv[1]
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "../../Tests/AttentionMatrices")

CASES = [
    "fla_h5_4x6_k3", "fla_sr2_9x7_floor", "fla_v2_linear_5x4", "fla_v2_sr2_6x8", "fla_swin_w4",
    "fla_cswin_idx0", "window_masked", "lepe_idx0", "lepe_idx1", "sra_h5_sr2", "sra_cls_token",
]


def module(project, path):
    with open(os.path.join(SOURCES, project, path)) as file:
        text = file.read()
    made = types.ModuleType(project + "_" + os.path.basename(path)[:-3])
    sys.modules[made.__name__] = made
    exec(compile(text, path, "exec"), made.__dict__)
    return made


class Case:
    """A case's original module in float64, and how it is run with other values."""

    def __init__(self, name):
        folder = os.path.join(FIXTURES, name)
        with open(os.path.join(folder, "case.json")) as file:
            self.json = json.load(file)
        p, self.kind = self.json["params"], self.json["kind"]
        upstream = self.json["upstream"]
        project = "flatten" if upstream["source"].startswith("LeapLab") else "pvt"
        made = getattr(module(project, upstream["file"]), upstream["name"])
        self.heads, self.dim = p["num_heads"], p["dim"]
        self.grid = None
        own = {k: p[k] for k in ("focusing_factor", "kernel_size") if k in p}
        if "resolution" in p:
            self.module = made(
                p["dim"], p["resolution"], p["idx"], split_size=p["split_size"],
                num_heads=p["num_heads"], **own)
        elif "window" in p:
            window = (p["window"], p["window"])
            if self.kind == "fla_swin":
                self.module = made(p["dim"], window, p["num_heads"], qkv_bias=p["qkv_bias"], **own)
            else:
                self.module = made(p["dim"], window, p["num_heads"], qkv_bias=p["qkv_bias"])
        else:
            if "num_patches" in p and self.kind.startswith("fla"):
                own["num_patches"] = p["num_patches"]
            if "linear" in p:
                own["linear"] = p["linear"]
            self.module = made(
                p["dim"], num_heads=p["num_heads"], qkv_bias=p["qkv_bias"], sr_ratio=p["sr_ratio"],
                **own)
            self.grid = (p["H"], p["W"])
        weights = load_file(os.path.join(folder, self.json["files"]["weights"]))
        self.module.load_state_dict(weights)
        self.module.double().eval()
        inputs = load_file(os.path.join(folder, self.json["files"]["inputs"]))
        self.inputs = {k: v.double() for k, v in inputs.items()}
        expected = load_file(os.path.join(folder, self.json["files"]["expected"]))
        self.expected = expected.get("y_float64", expected["y"]).double()

    def run(self, value=None):
        """Input of the last projection, or the output where there is none; `value` maps v to another."""
        caught = {}
        hooks = []

        def replaced(linear, arguments, output):
            parts = 3 if linear is getattr(self.module, "qkv", None) else 2
            before, v = output[..., :-self.dim], output[..., -self.dim:]
            assert output.shape[-1] == parts * self.dim
            caught["keys"] = v.shape[1]
            return torch.cat([before, v if value is None else value(v)], dim=-1)

        def projected(_, arguments):
            caught["mixed"] = arguments[0]

        if "qkv" in self.inputs:
            qkv = self.inputs["qkv"]
            caught["keys"] = qkv.shape[2]
            if value is not None:
                qkv = torch.stack([qkv[0], qkv[1], value(qkv[2])])
            out = self.module(qkv)
            caught["mixed"] = out
        else:
            linear = self.module.qkv if hasattr(self.module, "qkv") else self.module.kv
            hooks = [
                linear.register_forward_hook(replaced),
                self.module.proj.register_forward_pre_hook(projected),
            ]
            mask = [self.inputs["mask"]] if "mask" in self.inputs else []
            out = self.module(self.inputs["x"], *(self.grid or mask))
        for hook in hooks:
            hook.remove()
        return out, caught["mixed"], caught["keys"]

    def matrix(self):
        """[B, heads, d, N, n]: what each key's value adds to each token's output, by channel."""
        _, nothing, keys = self.run(torch.zeros_like)
        columns = []
        for key in range(keys):
            def one(v):
                v = torch.zeros_like(v)
                v[:, key] = 1
                return v

            columns.append(self.run(one)[1] - nothing)  # [B, N, C]
        all_columns = torch.stack(columns, dim=-1)  # [B, N, C, n]
        batch, tokens = all_columns.shape[:2]
        return all_columns.reshape(batch, tokens, self.heads, -1, keys).permute(0, 2, 3, 1, 4)


@torch.no_grad()
def matrices(name):
    case = Case(name)
    y, _, _ = case.run()
    worst = (y - case.expected).abs().max() / case.expected.abs().max()
    assert worst < 1e-5, (name, worst)
    whole = case.matrix()
    for name_, parameter in case.module.named_parameters():
        if name_.startswith(("dwc.", "get_v.")):
            parameter.zero_()
    attention = case.matrix()
    # Without the convolution all channels of a head have one matrix.
    assert (attention - attention[:, :, :1]).abs().max() < 1e-14, name
    # A mask has a row for each window of a picture.
    windows = case.inputs["mask"].shape[0] if "mask" in case.inputs else 1
    depthwise = (whole - attention)[:windows]
    tensors = {"attention": attention[:windows, :, 0].float().contiguous()}
    if depthwise.abs().max() > 1e-12:
        tensors["depthwise"] = depthwise.float().contiguous()
    save_file(tensors, os.path.join(OUT, name + ".safetensors"))
    print(name, case.kind, list(whole.shape), f"output within {worst:.1e}")
    return attention[0, 3 % case.heads, 0].numpy(), depthwise[0, 3 % case.heads, 2].numpy()


def ranks(head, local):
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((30, 30)))
    p, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    graded = q[:, :20] * 10.0 ** -np.arange(20) @ p.T
    index = np.arange(40)
    made = {
        "attention": head,
        "attention_and_depthwise": head + local,
        "low_rank": rng.standard_normal((33, 7)) @ rng.standard_normal((7, 29)),
        "full_rank": rng.standard_normal((21, 21)),
        "graded_tall": graded,
        "graded_wide": graded.T,
        "zero": np.zeros((5, 4)),
        "one_row": rng.standard_normal((1, 9)),
        "one_column": rng.standard_normal((150, 1)),
        "number": np.array([[-3.0]]),
        "tall_beyond_a_block": rng.standard_normal((300, 5)) @ rng.standard_normal((5, 11)),
        "large": 1e200 * rng.standard_normal((6, 9)),
        "small": 1e-200 * rng.standard_normal((9, 6)),
        "zeros_inside": np.diag([1.0, 0, 3, 0, 5, 0]) + np.diag([0.0, 2, 0, 0, 1], 1),
        "smooth": np.exp(-((index[:, None] - index) / 9.0) ** 2),
    }
    tensors = {}
    for name, matrix in made.items():
        values = np.linalg.svd(matrix, compute_uv=False)
        longer = max(matrix.shape)
        counts = [
            np.linalg.matrix_rank(matrix, tol=values.max() * longer * np.finfo(t).eps)
            for t in (np.float32, np.float64)
        ]
        assert counts[1] == np.linalg.matrix_rank(matrix)
        tensors[name] = np.ascontiguousarray(matrix)
        tensors[name + ".values"] = values
        tensors[name + ".ranks"] = np.array(counts, dtype=np.int64)
        print(name, matrix.shape, counts)
    save_numpy(tensors, os.path.join(OUT, "ranks.safetensors"))


print("torch", torch.__version__, "numpy", np.__version__)
os.makedirs(OUT, exist_ok=True)
made = {each: matrices(each) for each in CASES}
ranks(*made["fla_h5_4x6_k3"])
