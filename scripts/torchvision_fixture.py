#!/usr/bin/env python3
"""Records what torchvision's VGG and ResNet answer, for the tests of `src/worker/baseline`.

    python3 -m venv /tmp/vision && /tmp/vision/bin/pip install torch torchvision
    /tmp/vision/bin/python scripts/torchvision_fixture.py     # rewrites tests/fixtures/torchvision/cases.json

Weights and images are not stored: both sides compute them from a rule, `pattern` below, which the tests have too.
Stored are names and shapes of every tensor for 1000 classes, and for each case: logits, loss, gradients (norm, and the
product with another pattern) with batch norm by its running statistics and by the batch, and the running statistics
after one batch. VGG has no batch norm, and its dropout draws from a generator: it is recorded in evaluation mode.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "torchvision"
PERIOD = 65_537
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
# Sizes that a pooling or a stride rounds, too.
CASES = [
    dict(family="vgg16", classes=2, size=64, images=2),
    dict(family="vgg19", classes=3, size=47, images=2),
    dict(family="resnet18", classes=2, size=75, images=4),
    dict(family="resnet18", classes=3, size=32, images=5),
    dict(family="resnet50", classes=3, size=64, images=3),
]
FEW = 6


def hashed(name, n):
    """32 bits for each of n places: FNV-1a of the name, then a multiplicative hash."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    h = (np.arange(n, dtype=np.uint64) * 2654435761 + seed) & 0xFFFFFFFF
    h ^= h >> 16
    h = h * 0x45D9F3B & 0xFFFFFFFF
    return h ^ h >> 16


def pattern(name, n):
    """n numbers in -1..1 that repeat after a prime, so that a hundred million are quickly made."""
    once = (hashed(name, min(n, PERIOD)) >> 8).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    return torch.from_numpy(np.resize(once, n))


def value(name, shape):
    """What a tensor of this name holds."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    x = pattern(name, int(np.prod(shape)))
    # So that the images' differences reach the logits of VGG and the sums of ResNet stay small.
    is_vgg = name.startswith(("features", "classifier"))
    if len(shape) > 1:
        x = x * np.float32(np.sqrt((6.0 if is_vgg else 3.0) / np.prod(shape[1:])))
    elif is_vgg:
        x = x * np.float32(0.05)
    elif name.endswith(("running_var", "weight")):
        x = 1 + x * 0.5
    else:
        x = x * np.float32(0.2)
    return x.reshape(shape)


def gray(case):
    n, size = case["images"], case["size"]
    pixels = (hashed("images", n * size * size) >> 24).astype(np.uint8)
    # Bands of brightness, so that the images are not all alike to a network that averages.
    pixels = pixels.reshape(n, size, size) // 2 + (np.arange(n) * 30).astype(np.uint8).reshape(n, 1, 1)
    return torch.from_numpy(pixels).float().div(255).unsqueeze(1)


def backward(model, x, classes):
    labels = torch.arange(x.shape[0]) % classes
    model.zero_grad()
    logits = model(x.expand(-1, 3, -1, -1).sub(MEAN).div(DEVIATION))
    if classes == 2:
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    else:
        loss = F.cross_entropy(logits, labels)
    loss.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad.flatten().double()
        product = gradient @ pattern(name + ".probe", gradient.numel()).double()
        gradients[name] = [gradient.norm().item(), product.item()]
    # A handful from the first to the last layer.
    names = list(gradients)
    chosen = names[:: max(1, len(names) // 12)] + names[-2:]
    return {
        "logits": logits.flatten().tolist(),
        "loss": loss.item(),
        "gradients": {name: gradients[name] for name in dict.fromkeys(chosen)},
    }


def record(case):
    outputs = 1 if case["classes"] == 2 else case["classes"]
    model = getattr(torchvision.models, case["family"])(weights=None, num_classes=outputs)
    model.load_state_dict({name: value(name, tuple(t.shape)) for name, t in model.state_dict().items()})
    x = gray(case)
    case["evaluation"] = backward(model.eval(), x, case["classes"])
    if case["family"].startswith("resnet"):
        case["training"] = backward(model.train(), x, case["classes"])
        state = model.state_dict()
        names = [name for name in state if "running" in name]
        names = names[:: max(1, len(names) // 8)] + names[-2:]
        case["statistics"] = {
            name: state[name][:FEW].tolist() + [state[name].double().sum().item()] for name in names
        }
        case["batches"] = state["bn1.num_batches_tracked"].item()
    return case


def state_dict_files():
    """Small files of torch.save: every type and layout, in the format of today and in that before PyTorch 1.6."""
    plain = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "plain": plain,
        "half": plain.half(),
        "bfloat16": plain.bfloat16(),
        "double": plain.double(),
        "transposed": plain.clone().t(),
        "shared": plain[1, 1:],
        "count": torch.tensor(7),
    }
    torch.save(tensors, OUT / "tiny.pth")
    torch.save(tensors, OUT / "tiny-legacy.pth", _use_new_zipfile_serialization=False)
    # What users give by mistake: the whole model, and a checkpoint of a training loop.
    torch.save(torch.nn.Linear(2, 1), OUT / "model.pth")
    torch.save({"epoch": 3, "state_dict": tensors}, OUT / "checkpoint.pth")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    state_dict_files()
    torch.manual_seed(0)
    tensors = {}
    for family in ["vgg16", "vgg19", "resnet18", "resnet50"]:
        state = getattr(torchvision.models, family)(weights=None).state_dict()
        tensors[family] = [[name, list(tensor.shape)] for name, tensor in state.items()]
    cases = [record(dict(case)) for case in CASES]
    about = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    lines = [f'"{family}": {json.dumps(entries)}' for family, entries in tensors.items()]
    text = f'{{"about": {json.dumps(about)},\n"tensors": {{\n' + ",\n".join(lines) + '\n},\n"cases": [\n'
    text += ",\n".join(json.dumps(case) for case in cases) + "\n]}\n"
    (OUT / "cases.json").write_text(text)


if __name__ == "__main__":
    main()
