"""Times flatten-seg and its peers in turn on the same weights and the same picture."""
import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", required=True)
parser.add_argument("--model", choices=["flatten_pvt_t", "efficientvit_b1", "ravlt_t"], default="flatten_pvt_t")
parser.add_argument("--json", help="write the medians to this file")
parser.add_argument("--size", type=int, default=512, help="side of the square picture")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=10, help="runs of each system in each round")
parser.add_argument("--systems", default="flatten-seg,openvino,onnxruntime,pytorch",
                    help="which of them to time")
parser.add_argument("--rounds", type=int, default=3, help="how often all systems take their turn")
arguments = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(arguments.threads)

import numpy as np
import onnxruntime
import openvino
import torch
from safetensors.torch import load_file

sys.path.insert(0, os.path.dirname(__file__))

# The models in PyTorch: a file each, with CONFIG, ENLARGING, Segmentor and load.
peer = importlib.import_module({"flatten_pvt_t": "model"}.get(arguments.model, arguments.model.rsplit("_", 1)[0]))

torch.set_num_threads(arguments.threads)
torch.set_grad_enabled(False)
folder = tempfile.TemporaryDirectory()
# The picture has the network's size: the config without the rule that would resize it.
config = os.path.join(folder.name, "model.yaml")
with open(os.path.join(os.path.dirname(__file__), "../..", peer.CONFIG)) as source, open(config, "w") as copy:
    rules = ("scale:", "short_side:", "resize:", "multiple_of:")
    copy.writelines(line for line in source if not line.strip().startswith(rules))
side = arguments.size


def ours(*words):
    result = subprocess.run([arguments.program, *words], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"flatten-seg {' '.join(words)}: {result.stderr}")
    return result.stdout


# The same weights for all.
weights_path = os.path.join(folder.name, "weights.safetensors")
ours("init", "--config", config, weights_path)
model = peer.Segmentor((side, side)).eval()
peer.load(model, load_file(weights_path), (side, side))

# The same picture for all: a PNG for us, its normalised values for the others.
pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
picture = os.path.join(folder.name, "picture.png")


def write_png(path, image):
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    rows = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


write_png(picture, pixels)
mean = np.array([123.675, 116.28, 103.53], np.float32)
std = np.array([58.395, 57.12, 57.375], np.float32)
values = ((pixels.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None].copy()
x = torch.from_numpy(values)

# Outputs first: nothing is timed that does not agree.
reference = model(x)
full = torch.nn.functional.interpolate(reference, size=(side, side), mode=peer.ENLARGING)[0].numpy()
ours("predict", picture, "--config", config, "--weights", weights_path, "--logits",
     "--output", folder.name + "/out", "--quiet")
got = np.load(folder.name + "/out/picture.logits.npy")
error = float(np.abs(got - full).max() / np.abs(full).max())
labels = float((got.argmax(0) == full.argmax(0)).mean())
print(f"against PyTorch: error {error:.2e} of the largest logit, {labels:.4%} of labels equal")
if error > 1e-4 or labels < 0.999:
    raise SystemExit("flatten-seg and PyTorch disagree")

onnx_path = os.path.join(folder.name, "model.onnx")
torch.onnx.export(model, (x,), onnx_path, opset_version=17, dynamo=False, input_names=["x"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = arguments.threads
session = onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
core = openvino.Core()


def openvino_model(precision):
    settings = {
        "INFERENCE_NUM_THREADS": arguments.threads,
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    return core.compile_model(onnx_path, "CPU", settings)


compiled = {precision: openvino_model(precision) for precision in ("f32", "bf16")}
requests = {precision: value.create_infer_request() for precision, value in compiled.items()}


def autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return model(x)


def times(run):
    run()
    seconds = []
    for _ in range(arguments.repeat):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return [second * 1e3 for second in seconds]


def our_times(precision):
    report = json.loads(
        ours("bench", "--config", config, "--weights", weights_path, "--size",
             f"{side}x{side}", "--threads", str(arguments.threads), "--repeat",
             str(arguments.repeat), "--precision", precision, "--json"))
    return [report["median_ms"]] * arguments.repeat


systems = {
    ("flatten-seg", "f32_ms"): lambda: our_times("f32"),
    ("openvino", "f32_ms"): lambda: times(lambda: requests["f32"].infer({0: values})),
    ("onnxruntime", "f32_ms"): lambda: times(lambda: session.run(None, {"x": values})),
    ("pytorch", "f32_ms"): lambda: times(lambda: model(x)),
    ("flatten-seg", "bf16_ms"): lambda: our_times("bf16"),
    ("openvino", "bf16_ms"): lambda: times(lambda: requests["bf16"].infer({0: values})),
    ("pytorch", "bf16_ms"): lambda: times(autocast),
}
systems = {key: run for key, run in systems.items() if key[0] in arguments.systems.split(",")}
for (system, key), run in {
    ("onnxruntime", "f32"): lambda: session.run(None, {"x": values})[0],
    ("openvino", "f32"): lambda: next(iter(requests["f32"].infer({0: values}).values())),
}.items():
    difference = np.abs(run() - reference.numpy()).max() / np.abs(reference.numpy()).max()
    print(f"{system} {key} against PyTorch: {difference:.2e}")
    if not difference < 1e-3:
        raise SystemExit(f"{system} disagrees")

collected = {key: [] for key in systems}
for _ in range(arguments.rounds):
    for key, run in systems.items():
        collected[key].append(statistics.median(run()))
result = {}
for (system, key), medians in collected.items():
    result.setdefault(system, {})[key] = statistics.median(medians)

print(f"{arguments.model}, {side}x{side}, {arguments.threads} threads, {platform.machine()}; PyTorch "
      f"{torch.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO "
      f"{openvino.__version__.split('-')[0]}; medians of {arguments.rounds} rounds in turn")
for (system, key), _ in collected.items():
    value = result[system][key]
    base = result["flatten-seg"][key]
    print(f"{system:12} {key[:-3]:5} {value:8.1f} ms  {value / base:5.2f} x flatten-seg")
if arguments.json:
    with open(arguments.json, "w") as file:
        json.dump(result, file, indent=1)
