"""The same work as bench.ts in eager PyTorch, fp32, on the same GPU: one JSON document on standard output.

Usage: python3 pytorch.py '{"products": [512], "convolutions": [...], "inference": [1, 8], "training": [128], "seconds": 1}'
Sizes come from bench.ts, so that both sides do equal work. TF32 is off. Times are CUDA events around many calls after a
warm-up, the median of five rounds, in milliseconds a call.
"""

import json
import sys

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    sys.exit(0)

ROUNDS = 5


def conv(inputs, outputs, taps, stride=1):
    return nn.Conv2d(inputs, outputs, taps, stride, taps // 2, bias=False)


class Bottleneck(nn.Module):
    """ResNet v1.5: the stride on the 3x3 convolution."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.branch = nn.Sequential(
            conv(inputs, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
            conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
            conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width),
        )
        same = stride == 1 and inputs == 4 * width
        self.shortcut = nn.Identity() if same else nn.Sequential(conv(inputs, 4 * width, 1, stride), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        return functional.relu(self.branch(x) + self.shortcut(x))


class Basic(nn.Module):
    """Two 3x3 convolutions, projection where sizes change."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.branch = nn.Sequential(
            conv(inputs, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
            conv(width, width, 3), nn.BatchNorm2d(width),
        )
        same = stride == 1 and inputs == width
        self.shortcut = nn.Identity() if same else nn.Sequential(conv(inputs, width, 1, stride), nn.BatchNorm2d(width))

    def forward(self, x):
        return functional.relu(self.branch(x) + self.shortcut(x))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, (width, depth) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(depth):
            layers.append(Bottleneck(inputs, width, 2 if stage > 0 and block == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def resnet20():
    layers, inputs = [conv(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU()], 16
    for stage, width in enumerate([16, 32, 64]):
        for block in range(3):
            layers.append(Basic(inputs, width, 2 if stage > 0 and block == 0 else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def timed(work, seconds):
    """Median over rounds of milliseconds a call; each round lasts about `seconds` / ROUNDS."""

    def elapsed(calls):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / calls

    elapsed(3)
    calls = max(3, min(1000, int(1000 * seconds / ROUNDS / max(elapsed(3), 1e-3))))
    return sorted(elapsed(calls) for _ in range(ROUNDS))[ROUNDS // 2]


def inference(batch, side, seconds):
    net = resnet50().cuda().eval()
    image = torch.randn(batch, 3, side, side, device="cuda")
    with torch.no_grad():
        return timed(lambda: net(image), seconds)


def training(batch, seconds):
    net = resnet20().cuda().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    image = torch.randn(batch, 3, 32, 32, device="cuda")
    label = torch.randint(10, (batch,), device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(net(image), label).backward()
        optimizer.step()

    return timed(step, seconds)


def product(side, seconds):
    a, b = torch.randn(side, side, device="cuda"), torch.randn(side, side, device="cuda")
    return timed(lambda: a @ b, seconds)


def convolution(shape, seconds):
    layer = nn.Conv2d(shape["inputs"], shape["outputs"], shape["taps"], shape["stride"], shape["taps"] // 2, bias=False).cuda()
    image = torch.randn(shape["batch"], shape["inputs"], shape["size"], shape["size"], device="cuda")
    with torch.no_grad():
        return timed(lambda: layer(image), seconds)


def main():
    asked = json.loads(sys.argv[1])
    if not torch.cuda.is_available():
        print(json.dumps({"missing": "PyTorch sees no CUDA device"}))
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    seconds = asked["seconds"]
    print(json.dumps({
        "device": torch.cuda.get_device_name(0),
        "version": torch.__version__,
        "products": [product(side, seconds) for side in asked["products"]],
        "convolutions": [convolution(shape, seconds) for shape in asked["convolutions"]],
        "inference": [inference(batch, asked["side"], seconds) for batch in asked["inference"]],
        "training": [training(batch, seconds) for batch in asked["training"]],
    }))


main()
