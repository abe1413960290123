"""EfficientViT-B1 with its segmentation head (arXiv 2205.14756) in PyTorch, under the official key names."""
import torch
from torch import nn
from torch.nn import functional as F

CONFIG = "Configs/ade20k/efficientvit_b1.yaml"
# How the logits are brought to the picture's size.
ENLARGING = "bicubic"


class Layer(nn.Module):
    """A convolution, its batch norm where it has one, and an activation."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, norm=True, bias=False, act=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5) if norm else None
        self.act = nn.Hardswish() if act else None

    def forward(self, x):
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.act is None else self.act(x)


class MobileConvolution(nn.Module):
    """1x1 to the hidden width, depthwise 3x3, 1x1; without the first where the ratio is 1."""

    def __init__(self, inputs, outputs, ratio=4, stride=1, fewer_norms=False):
        super().__init__()
        hidden = inputs * ratio
        kinds = {"norm": not fewer_norms, "bias": fewer_norms}
        if ratio != 1:
            self.inverted_conv = Layer(inputs, hidden, **kinds)
        self.depth_conv = Layer(hidden, hidden, 3, stride, groups=hidden, **kinds)
        self.point_conv = Layer(hidden, outputs, act=False)

    def forward(self, x):
        if hasattr(self, "inverted_conv"):
            x = self.inverted_conv(x)
        return self.point_conv(self.depth_conv(x))


class Attention(nn.Module):
    """ReLU linear attention on two scales; q, k and v of a head lie side by side."""

    def __init__(self, channels, width=16):
        super().__init__()
        total = channels // width * width
        self.width = width
        self.qkv = Layer(channels, 3 * total, norm=False, act=False)
        self.aggreg = nn.ModuleList([nn.Sequential(
            nn.Conv2d(3 * total, 3 * total, 5, padding=2, groups=3 * total, bias=False),
            nn.Conv2d(3 * total, 3 * total, 1, groups=3 * total // width, bias=False))])
        self.proj = Layer(2 * total, channels, act=False)

    def forward(self, x):
        own = self.qkv(x)
        both = torch.cat([own, self.aggreg[0](own)], dim=1)
        batch, _, height, width = both.shape
        heads = both.reshape(batch, -1, 3 * self.width, height * width)
        q, k, v = heads.chunk(3, dim=2)
        q, k = F.relu(q), F.relu(k)
        v = F.pad(v, (0, 0, 0, 1), value=1)  # a row of ones: the sums of the weights
        y = v @ k.transpose(-1, -2) @ q
        y = y[:, :, :-1] / (y[:, :, -1:] + 1e-15)
        return self.proj(y.reshape(batch, -1, height, width))


class Residual(nn.Module):
    """`main(x)`, perhaps with x added."""

    def __init__(self, main, adds=True):
        super().__init__()
        self.main = main
        self.adds = adds

    def forward(self, x):
        return x + self.main(x) if self.adds else self.main(x)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.context_module = Residual(Attention(channels))
        self.local_module = Residual(MobileConvolution(channels, channels, fewer_norms=True))

    def forward(self, x):
        return self.local_module(self.context_module(x))


class Sequence(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.op_list = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.op_list:
            x = layer(x)
        return x


class Backbone(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128, 256), depths=(1, 2, 3, 3, 4)):
        super().__init__()
        self.input_stem = Sequence(
            Layer(3, widths[0], 3, 2),
            *[Residual(MobileConvolution(widths[0], widths[0], 1)) for _ in range(depths[0])])
        stages = []
        for stage in range(1, 5):
            inputs, outputs = widths[stage - 1], widths[stage]
            is_late = stage > 2
            layers = [Residual(MobileConvolution(inputs, outputs, stride=2, fewer_norms=is_late), adds=False)]
            if is_late:
                layers += [Block(outputs) for _ in range(depths[stage])]
            else:
                layers += [Residual(MobileConvolution(outputs, outputs)) for _ in range(depths[stage] - 1)]
            stages.append(Sequence(*layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, x):
        x = self.input_stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Enlarged(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return F.interpolate(x, scale_factor=self.factor, mode="bicubic", align_corners=False)


class Head(nn.Module):
    def __init__(self, inputs=(256, 128, 64), width=64, depth=3, classes=150):
        super().__init__()
        self.input_ops = nn.ModuleList([
            Sequence(Layer(inputs[0], width, act=False), Enlarged(4)),
            Sequence(Layer(inputs[1], width, act=False), Enlarged(2)),
            Layer(inputs[2], width, act=False)])
        self.middle = Sequence(*[Residual(MobileConvolution(width, width)) for _ in range(depth)])
        self.output_ops = nn.ModuleList([
            Sequence(Layer(width, classes, norm=False, bias=True, act=False))])

    def forward(self, maps):
        coarse, middle, fine = (op(x) for op, x in zip(self.input_ops, reversed(maps)))
        return self.output_ops[0](self.middle(coarse + middle + fine))


class Segmentor(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.backbone = Backbone()
        self.head = Head()

    def forward(self, x):
        return self.head(self.backbone(x))


def load(model, tensors, size):
    """Loads a checkpoint; nothing may be missing but the counters of training."""
    missing, left = model.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or left:
        raise SystemExit(f"missing {missing}, left over {left}")
