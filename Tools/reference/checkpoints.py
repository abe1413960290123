#!/usr/bin/env python3
"""Checkpoints as the training scripts of the backbone families save them: weights, and beside them whatever
those scripts pickle.

    Tools/reference/checkpoints.py SOURCES [OUT]

SOURCES holds plain checkouts, as for families.py; only flatten and swin are read. OUT is
Tests/OfficialCheckpoints unless given. The weights are those of golden cases, so that a file that is read
rightly gives the case's numbers; what stands beside them is made by the code that makes it in training:
yacs, argparse, timm's schedulers, torch's optimizers, mmengine's message hub.

    pip install torch timm yacs safetensors mmengine
"""
import argparse
import json
import os
import sys
import types

import numpy
import timm
import torch
import yacs.config
from mmengine.logging import MessageHub
from safetensors.torch import load_file
from timm.scheduler import CosineLRScheduler

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = sys.argv[1]
TESTS = os.path.join(HERE, "../../Tests")
OUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(TESTS, "OfficialCheckpoints")
FILES = []


def commit(project):
    with open(os.path.join(SOURCES, project, "COMMIT")) as file:
        return file.read().strip()[:7]


def weights(case):
    return load_file(os.path.join(TESTS, case, "weights.safetensors"))


def other(state):
    """Other numbers under the same names, to see which of two dictionaries is read."""
    return {key: value + 1 for key, value in state.items()}


def config(project):
    """The default configuration of a project's own config.py, frozen: a yacs CfgNode."""
    module = types.ModuleType(project + "_config")
    with open(os.path.join(SOURCES, project, "config.py")) as file:
        exec(compile(file.read(), "config.py", "exec"), module.__dict__)
    node = module._C.clone()
    node.freeze()
    return node


def training():
    """An optimizer after one step, over two small parameters, and timm's schedule of its rate."""
    parameters = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    sum(parameter.sum() for parameter in parameters).backward()
    optimizer.step()
    schedule = CosineLRScheduler(optimizer, t_initial=300, warmup_t=20, warmup_lr_init=1e-6)
    return {"optimizer": optimizer.state_dict(), "lr_scheduler": schedule.state_dict()}


def arguments(**more):
    """The command line of DeiT's and PVT's main.py, in part."""
    return argparse.Namespace(
        batch_size=128, epochs=300, model="tiny", drop_path=0.1, clip_grad=None, opt="adamw",
        opt_betas=None, lr=5e-4, aa="rand-m9-mstd0.5-inc1", mixup=0.8, cutmix_minmax=None,
        data_path="imagenet", output_dir="checkpoints", device="cuda", dist_backend="nccl",
        distributed=True, gpu=0, **more)


def save(name, case, source, content):
    torch.save(content, os.path.join(OUT, name))
    FILES.append({"file": name, "case": case, "like": source, "keys": list(content)})
    print(name, list(content))


def yacs_files():
    case = "Fixtures/backbones/cls_flatten_swin"
    state = weights(case)
    save(
        "flatten_swin.pth", case,
        f"LeapLabTHU/FLatten-Transformer {commit('flatten')} utils.py save_checkpoint_new",
        dict(model=state, **training(), max_accuracy=82.106, epoch=300, config=config("flatten")))
    case = "Fixtures/backbones/cls_flatten_cswin"
    state = weights(case)
    save(
        "flatten_cswin.pth", case,
        f"LeapLabTHU/FLatten-Transformer {commit('flatten')} utils_ema.py save_checkpoint_ema_new; its "
        "evaluation reads model",
        dict(
            model=state, **training(), max_accuracy=numpy.float64(83.13), max_accuracy_e=83.0,
            epoch=300, config=config("flatten"), state_dict_ema=other(state)))
    case = "FamilyFixtures/cls_swin"
    state = weights(case)
    save(
        "swin.pth", case, f"microsoft/Swin-Transformer {commit('swin')} utils.py save_checkpoint",
        dict(
            model=state, **training(), max_accuracy=81.2, scaler={"scale": 65536.0, "growth_factor": 2.0},
            epoch=299, config=config("swin")))


def argparse_files():
    case = "Fixtures/backbones/cls_pvt"
    state = weights(case)
    save(
        "pvt.pth", case, f"whai362/PVT {commit('pvt')} classification/main.py",
        dict(model=state, **training(), epoch=299, args=arguments(config="configs/pvt/pvt_tiny.py")))
    case = "FamilyFixtures/cls_deit"
    state = weights(case)
    save(
        "deit.pth", case, f"facebookresearch/deit {commit('deit')} main.py",
        dict(
            model=state, **training(), epoch=299, model_ema=other(state),
            scaler={"scale": 65536.0, "growth_factor": 2.0}, args=arguments(finetune="")))
    case = "FamilyFixtures/cls_cswin"
    state = weights(case)
    save(
        "cswin_released.pth", case,
        f"microsoft/CSWin-Transformer {commit('cswin')}: its released files hold the averaged weights alone",
        {"state_dict_ema": state})
    save(
        "cswin_run.pth", case, f"microsoft/CSWin-Transformer {commit('cswin')} checkpoint_saver.py",
        {
            "epoch": 299, "arch": "CSWin_64_12211_tiny_224", "state_dict": state,
            "optimizer": training()["optimizer"], "version": 2, "args": arguments(amp=True),
            "amp_scaler": {"scale": 65536.0}, "state_dict_ema": other(state), "metric": 82.8,
        })


def openmmlab_files():
    case = "Fixtures/segmentors/fpn_flatten_pvt_v2_c11_37x54"
    state = weights(case)
    classes, palette = ("sky", "road"), [[70, 130, 180], [128, 64, 128]]
    save(
        "mmseg_0.pth", case, "mmcv 1.x, runner/checkpoint.py save_checkpoint, for mmsegmentation 0.x",
        {
            "meta": {
                "env_info": "sys.platform: linux", "seed": 0, "exp_name": "fpn.py",
                "mmseg_version": "0.28.0", "config": "model = dict()", "CLASSES": classes,
                "PALETTE": palette, "epoch": 20, "iter": 40000, "mmcv_version": "1.4.0",
                "time": "Fri Jul 21 07:50:09 2023", "hook_msgs": {"last_ckpt": "iter_40000.pth"},
            },
            "state_dict": state, "optimizer": training()["optimizer"],
        })
    hub = MessageHub.get_instance("training")
    hub.update_scalar("train/loss", 0.5)
    hub.update_scalar("train/loss", torch.tensor(0.25))
    hub.update_info("dataset_meta", {"classes": classes, "palette": palette})
    save(
        "mmseg_1.pth", case, "mmengine 0.10, runner/runner.py save_checkpoint, for mmsegmentation 1.x",
        {
            "meta": {
                "seed": 0, "experiment_name": "fpn", "mmengine_version": "0.10.7", "cfg": "model = dict()",
                "dataset_meta": {"classes": classes, "palette": palette}, "epoch": 0, "iter": 40000,
            },
            "state_dict": state, "message_hub": hub.state_dict(),
            "optimizer": training()["optimizer"],
            "param_schedulers": [{"param_name": "lr", "base_values": [1e-3], "last_step": 3}],
        })


def awkward_files():
    """A class that nobody knows beside the weights, and one that would run a command."""
    case = "FamilyFixtures/cls_deit"
    state = weights(case)
    module = types.ModuleType("company.training")
    module.Monitor = type("Monitor", (), {"__module__": "company.training", "__qualname__": "Monitor"})
    sys.modules["company"] = types.ModuleType("company")
    sys.modules["company.training"] = module
    monitor = module.Monitor()
    monitor.losses = [0.5, 0.25]
    save("unknown_class.pth", case, "a class of a private training script", {
        "model": state, "monitor": monitor})

    class Command:
        def __reduce__(self):
            return os.system, ("touch executed",)

    save("command.pth", case, "hostile: its pickle asks for os.system", {
        "model": state, "config": Command()})


def main():
    os.makedirs(OUT, exist_ok=True)
    yacs_files()
    argparse_files()
    openmmlab_files()
    awkward_files()
    versions = (
        f"torch {torch.__version__}, timm {timm.__version__}, numpy {numpy.__version__}, yacs, mmengine")
    with open(os.path.join(OUT, "index.json"), "w") as file:
        rows = ",\n".join("  " + json.dumps(entry) for entry in FILES)
        file.write(f'{{"versions": {json.dumps(versions)},\n "files": [\n{rows}\n]}}\n')


main()
