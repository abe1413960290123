"""FLatten-PVT and PVT with FPN and Semantic FPN head in PyTorch, as far as a benchmark needs them.

Written from the papers (arXiv 2308.00442 and 2102.12122) and the key names of mmsegmentation; inference only,
one input size; every stage of FLatten-PVT is linear without reduction.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = "Configs/ade20k/flatten_pvt_t_semantic_fpn.yaml"
# How the logits are brought to the picture's size.
ENLARGING = "bilinear"


class LinearAttention(nn.Module):
    def __init__(self, dim, heads, tokens, kernel=5, power=3):
        super().__init__()
        self.heads, self.power = heads, power
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.scale = nn.Parameter(torch.zeros(1, 1, dim))
        self.positional_encoding = nn.Parameter(torch.zeros(1, tokens, dim))
        width = dim // heads
        self.dwc = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)

    def focus(self, x):
        x = (F.relu(x) + 1e-6) / F.softplus(self.scale)
        norm = x.norm(dim=-1, keepdim=True)
        x = x**self.power
        return x / x.norm(dim=-1, keepdim=True) * norm

    def split(self, x):
        batch, tokens, dim = x.shape
        return x.reshape(batch, tokens, self.heads, dim // self.heads).transpose(1, 2)

    def forward(self, x, height, width):
        batch, tokens, dim = x.shape
        k, v = self.kv(x).chunk(2, dim=-1)
        q, k = self.focus(self.q(x)), self.focus(k + self.positional_encoding)
        q, k, v = self.split(q), self.split(k), self.split(v)
        z = 1 / (q @ k.mean(dim=-2, keepdim=True).transpose(-2, -1) + 1e-6)
        y = q @ (k.transpose(-2, -1) @ v / tokens) * z
        y = y.transpose(1, 2).reshape(batch, tokens, dim)
        maps = v.reshape(batch * self.heads, height, width, -1).permute(0, 3, 1, 2)
        maps = self.dwc(maps).reshape(batch, dim, tokens).transpose(1, 2)
        return self.proj(y + maps)


class ReducedAttention(nn.Module):
    """PVT's attention: keys and values of a map made smaller by `reduction`."""

    def __init__(self, dim, heads, reduction):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, stride=reduction)
            self.norm = nn.LayerNorm(dim)

    def split(self, x):
        batch, tokens, dim = x.shape
        return x.reshape(batch, tokens, self.heads, dim // self.heads).transpose(1, 2)

    def forward(self, x, height, width):
        batch, tokens, dim = x.shape
        source = x
        if self.reduction > 1:
            maps = x.transpose(1, 2).reshape(batch, dim, height, width)
            source = self.norm(self.sr(maps).flatten(2).transpose(1, 2))
        k, v = self.kv(source).chunk(2, dim=-1)
        y = F.scaled_dot_product_attention(self.split(self.q(x)), self.split(k), self.split(v))
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, dim))


class MLP(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, ratio, attention):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, dim * ratio)

    def forward(self, x, height, width):
        x = x + self.attn(self.norm1(x), height, width)
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self, inputs, outputs, size):
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, size, stride=size)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x):
        x = self.proj(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2], x.shape[3]


class Backbone(nn.Module):
    """FLatten-PVT, or PVT where `reductions` are given; the tiny ones unless `depths` are others."""

    def __init__(self, size, dims=(64, 128, 320, 512), heads=(1, 2, 5, 8), ratios=(8, 8, 4, 4),
                 depths=(2, 2, 2, 2), reductions=None):
        super().__init__()
        inputs = 3
        for stage, dim in enumerate(dims):
            def attention():
                if reductions is None:
                    return LinearAttention(dim, heads[stage], tokens)
                return ReducedAttention(dim, heads[stage], reductions[stage])

            tokens = (size[0] >> (stage + 2)) * (size[1] >> (stage + 2))
            embedding = PatchEmbedding(inputs, dim, 4 if stage == 0 else 2)
            setattr(self, f"patch_embed{stage + 1}", embedding)
            setattr(self, f"pos_embed{stage + 1}", nn.Parameter(torch.zeros(1, tokens, dim)))
            blocks = [Block(dim, heads[stage], ratios[stage], attention()) for _ in range(depths[stage])]
            setattr(self, f"block{stage + 1}", nn.ModuleList(blocks))
            inputs = dim

    def forward(self, x):
        maps = []
        for stage in range(1, 5):
            x, height, width = getattr(self, f"patch_embed{stage}")(x)
            x = x + getattr(self, f"pos_embed{stage}")
            for block in getattr(self, f"block{stage}"):
                x = block(x, height, width)
            x = x.transpose(1, 2).reshape(x.shape[0], -1, height, width)
            maps.append(x)
        return maps


class Conv(nn.Module):
    """A convolution under `conv`, with a batch norm and ReLU where `norm`."""

    def __init__(self, inputs, outputs, kernel, norm=False):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not norm)
        if norm:
            self.bn = nn.BatchNorm2d(outputs)
        self.norm = norm

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.bn(x)) if self.norm else x


class Neck(nn.Module):
    def __init__(self, dims, outputs):
        super().__init__()
        self.lateral_convs = nn.ModuleList(Conv(dim, outputs, 1) for dim in dims)
        self.fpn_convs = nn.ModuleList(Conv(outputs, outputs, 3) for _ in dims)

    def forward(self, maps):
        levels = [conv(x) for conv, x in zip(self.lateral_convs, maps)]
        for index in range(len(levels) - 1, 0, -1):
            size = levels[index - 1].shape[2:]
            levels[index - 1] = levels[index - 1] + F.interpolate(levels[index], size=size)
        return [conv(x) for conv, x in zip(self.fpn_convs, levels)]


class Head(nn.Module):
    def __init__(self, inputs, channels, classes, levels=4):
        super().__init__()
        self.scale_heads = nn.ModuleList()
        for level in range(levels):
            layers = []
            for index in range(max(1, level)):
                layers.append(Conv(inputs if index == 0 else channels, channels, 3, norm=True))
                if level:
                    layers.append(nn.Upsample(scale_factor=2, mode="bilinear"))
            self.scale_heads.append(nn.Sequential(*layers))
        self.conv_seg = nn.Conv2d(channels, classes, 1)

    def forward(self, levels):
        total = self.scale_heads[0](levels[0])
        for head, level in zip(list(self.scale_heads)[1:], levels[1:]):
            total = total + F.interpolate(head(level), size=total.shape[2:], mode="bilinear")
        return self.conv_seg(total)


class Segmentor(nn.Module):
    def __init__(self, size, classes=150):
        super().__init__()
        self.backbone = Backbone(size)
        self.neck = Neck((64, 128, 320, 512), 256)
        self.decode_head = Head(256, 128, classes)

    def forward(self, x):
        return self.decode_head(self.neck(self.backbone(x)))


def load(model, weights, size):
    """Takes our weights for inputs of a size; position tables are resized as flatten-seg does it."""
    own = model.state_dict()
    for name, tensor in weights.items():
        if name not in own:
            raise SystemExit(f"'{name}' has no place in the PyTorch model")
        if tensor.shape != own[name].shape:
            side = int(tensor.shape[1] ** 0.5)
            tensor = tensor[:, tensor.shape[1] - side * side:]  # PVT's last table has a class token's row
            stride = round((size[0] * size[1] / own[name].shape[1]) ** 0.5)
            grid = tensor.reshape(1, side, side, -1).permute(0, 3, 1, 2)
            grid = F.interpolate(grid, size=(size[0] // stride, size[1] // stride), mode="bilinear")
            tensor = grid.flatten(2).transpose(1, 2)
        own[name] = tensor
    missing = [n for n in own if n not in weights and "num_batches_tracked" not in n]
    if missing:
        raise SystemExit(f"the weights lack {missing[:5]}")
    model.load_state_dict(own)
