"""RAVLT-T (arXiv 2411.07635) with FPN and Semantic FPN head in PyTorch, under the official key names.

Written from the paper's equations; inference only, one input size.
"""
import torch
from torch import nn
from torch.nn import functional as F

from model import Head, Neck

CONFIG = "Configs/ade20k/ravlt_t_semantic_fpn.yaml"
# How the logits are brought to the picture's size.
ENLARGING = "bilinear"


def rotation(width, height, breadth):
    """Cosines and sines [tokens, width] for a head's pairs of channels: half turn by row, the rest by column."""
    frequencies = 10000 ** -torch.linspace(0, 1, width // 4, dtype=torch.float64)  # both ends included
    frequencies = frequencies.repeat_interleave(2)
    rows = torch.arange(height)[:, None, None] * frequencies
    columns = torch.arange(breadth)[None, :, None] * frequencies
    shape = height, breadth, width // 2
    angles = torch.cat([rows.expand(shape), columns.expand(shape)], dim=-1).flatten(0, 1)
    return angles.cos().float(), angles.sin().float()


def turned(x, cosine, sine):
    """Turns neighbouring pairs of channels of x [batch, heads, tokens, width]."""
    other = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
    return x * cosine + other * sine


class LayerNorm(nn.Module):
    """A layer norm over a map's channels."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """RALA, or softmax attention with the same parameters; a local term is added, and a gate multiplied."""

    def __init__(self, channels, heads, softmax):
        super().__init__()
        self.heads, self.softmax = heads, softmax
        self.qkvo = nn.Conv2d(channels, 4 * channels, 1)
        self.lepe = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x, cosine, sine):
        q, k, v, gate = self.qkvo(x).unflatten(1, (4, -1)).unbind(1)  # OpenVINO takes long for a chunk
        local = self.lepe(v)
        q, k, v = self.split(q), self.split(k), self.split(v)
        if self.softmax:
            y = F.scaled_dot_product_attention(turned(q, cosine, sine), turned(k, cosine, sine), v)
        else:
            q, k = F.elu(q) + 1, F.elu(k) + 1
            mean = q.mean(dim=2, keepdim=True) * q.shape[3]**-0.5
            k = k * (mean @ k.transpose(2, 3)).softmax(dim=3).transpose(2, 3)  # by how much each token counts
            normaliser = q @ k.sum(dim=2, keepdim=True).transpose(2, 3) + 1e-6  # of what is not turned
            state = turned(k, cosine, sine).transpose(2, 3) @ v
            y = turned(q, cosine, sine) @ state / normaliser
        return self.proj((y.transpose(2, 3).reshape(x.shape) + local) * gate)

    def split(self, x):
        """[batch, heads, tokens, width], in this order: the products and the rotation are quicker so."""
        return x.reshape(x.shape[0], self.heads, x.shape[1] // self.heads, -1).transpose(2, 3).contiguous()


class FeedForward(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        x = F.gelu(self.fc1(x))
        return self.fc2(x + self.dwconv(x))


class Block(nn.Module):
    def __init__(self, channels, heads, softmax, ratio=3.5):
        super().__init__()
        self.pos = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = LayerNorm(channels)
        self.attn = Attention(channels, heads, softmax)
        self.norm2 = LayerNorm(channels)
        self.ffn = FeedForward(channels, int(channels * ratio))
        self.gamma_1 = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma_2 = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x, cosine, sine):
        x = x + self.pos(x)
        x = x + self.gamma_1 * self.attn(self.norm1(x), cosine, sine)
        return x + self.gamma_2 * self.ffn(self.norm2(x))


class Reduction(nn.Module):
    """Halves a map; sizes round up."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.reduction = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.reduction(x))


class Stem(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = []
        for inputs, outputs, stride in [
            (3, width // 2, 2), (width // 2, width // 2, 1), (width // 2, width // 2, 1), (width // 2, width, 2)
        ]:
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.GELU()]
        self.proj = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.proj(x)


class Stage(nn.Module):
    def __init__(self, size, channels, heads, depth, softmax, following):
        super().__init__()
        cosine, sine = rotation(channels // heads, *size)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        self.blocks = nn.ModuleList([Block(channels, heads, softmax) for _ in range(depth)])
        if following:
            self.downsample = Reduction(channels, following)

    def forward(self, x):
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        return x


class Backbone(nn.Module):
    """Softmax attention in stages 3 and 4, as in the released networks."""

    def __init__(self, size, widths=(64, 128, 256, 512), heads=(1, 2, 4, 8), depths=(2, 2, 6, 2)):
        super().__init__()
        self.patch_embed = Stem(widths[0])
        self.layers = nn.ModuleList([
            Stage([-(-side // (4 << stage)) for side in size], widths[stage], heads[stage], depths[stage],
                  stage >= 2, widths[stage + 1] if stage < 3 else None) for stage in range(4)])
        self.extra_norms = nn.ModuleList([LayerNorm(width) for width in widths])

    def forward(self, x):
        x = self.patch_embed(x)
        maps = []
        for index, (stage, norm) in enumerate(zip(self.layers, self.extra_norms)):
            if index:
                x = self.layers[index - 1].downsample(x)
            x = stage(x)
            maps.append(norm(x))
        return maps


class Segmentor(nn.Module):
    def __init__(self, size, classes=150):
        super().__init__()
        self.backbone = Backbone(size)
        self.neck = Neck((64, 128, 256, 512), 256)
        self.decode_head = Head(256, 128, classes)

    def forward(self, x):
        return self.decode_head(self.neck(self.backbone(x)))


def load(model, tensors, size):
    """Loads a checkpoint; nothing may be missing but the counters of training. It knows the angles that files have."""
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("RoPE.angle")}
    missing, left = model.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or left:
        raise SystemExit(f"missing {missing}, left over {left}")
