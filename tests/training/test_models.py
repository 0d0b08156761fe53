import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.training.checkpoint import Network, build_network
from static_gesture_classification.training.models import efficientnet_lite

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
INPUTS = {
    "crops": torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    "landmarks": torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(0)),
}


def network(*overrides: str) -> Network:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build_network(compose("config", list(overrides)).model, classes=4)


@pytest.mark.parametrize("model", [name for name in MODELS if not name.startswith("efficientnet_b") or name in "b0 b2"])
def test_logits_come_from_the_embeddings_of_the_same_pass(model: str) -> None:
    built = network(f"model={model}", "model.weights=none").eval()
    inputs = tuple(INPUTS.values()) if model == "fused" else INPUTS["landmarks" if model == "landmarks" else "crops"]
    with torch.inference_mode():
        features = built.embed(inputs)
        assert features.shape == (2, built.head.in_features)
        assert torch.allclose(built.head(features), built(inputs))
        assert built(inputs).shape == (2, 4)


def test_position_and_size_of_a_hand_do_not_matter_to_the_landmark_network() -> None:
    built = network("model=landmarks").eval()
    points = INPUTS["landmarks"]
    assert torch.allclose(built(points), built(3.5 * points + torch.tensor([2.0, -1.0])), atol=1e-4)
    assert not torch.allclose(built(points), built(points * torch.tensor([2.0, 1.0])), atol=1e-3)


def test_a_landmark_network_of_other_features_is_refused() -> None:
    with pytest.raises(UserError, match="train again"):
        network("model=landmarks", "model.backbone.features_version=0")
    with pytest.raises(UserError, match="no pictures"):
        network("model=landmarks", "model.weights=imagenet")


@pytest.mark.parametrize("size", range(8))
def test_every_efficientnet_is_the_one_of_its_name(size: int) -> None:
    with torch.device("meta"):
        built = network(f"model=efficientnet_b{size}", "model.weights=none")
    published = [5.3, 7.8, 9.1, 12.2, 19.3, 30.4, 43.0, 66.3][size]  # millions of parameters with 1000 classes
    features = built.head.in_features
    with_imagenet_head = sum(each.numel() for each in built.backbone.parameters()) + 1001 * features
    assert with_imagenet_head / 1e6 == pytest.approx(published, rel=0.01)


def test_pixels_are_normalised_inside_the_network() -> None:
    built = network("model=timm", "model.name=test_efficientnet").eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    assert torch.allclose(built.embed(images), built.backbone(normalised), atol=1e-4)


def test_efficientnet_lite0_knows_imagenet_without_a_network_connection() -> None:
    first, second = (network("model=efficientnet_lite0").backbone.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    random = network("model=efficientnet_lite0", "model.weights=none").backbone.state_dict()
    assert not torch.equal(first["_conv_stem.weight"], random["_conv_stem.weight"])


def test_unknown_names_are_refused_with_a_way_out() -> None:
    with pytest.raises(UserError, match="model=timm"):
        network("model=resnet18", "model.name=resnet1800")
    with pytest.raises(UserError, match="resnet18d"):
        network("model=timm", "model.name=resnet18dd")
    with pytest.raises(UserError, match="efficientnet_lite0"):
        network("model=efficientnet_lite0", "model.name=efficientnet_lite3")


def test_a_checkpoint_cannot_name_another_function_to_call() -> None:
    model = {"name": "x", "weights": "none", "backbone": {"_target_": "os.system", "command": "true"}}
    with pytest.raises(UserError, match=r"os\.system"):
        build_network(model, classes=4)


@pytest.mark.parametrize(
    ("overrides", "way_out"),
    [(["model=resnet18"], "checkpoints/resnet18-"), (["model=timm", "model.name=resnet10t"], "HF_HOME")],
)
def test_weights_that_cannot_be_downloaded_are_named_with_a_way_out(
    overrides: list[str], way_out: str, tmp_path: Path
) -> None:
    program = (
        "import sys; from hydra import compose, initialize_config_dir;"
        "from static_gesture_classification.configuration import CONF;"
        "from static_gesture_classification.errors import UserError;"
        "from static_gesture_classification.training.checkpoint import build_network;"
        "initialize_config_dir(str(CONF), version_base='1.3');"
        "model = compose('config', sys.argv[1:] + ['model.weights=imagenet']).model\n"
        "try: build_network(model, 4)\n"
        "except UserError as error: print(error)"
    )
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    caches = {"TORCH_HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *overrides],
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere, **caches},
    )
    assert way_out in done.stdout, done.stderr
    assert "model=efficientnet_lite0" in done.stdout


def test_after_an_epoch_of_a_few_steps_efficientnet_lite_validates_with_the_statistics_of_its_own_crops() -> None:
    network, _ = efficientnet_lite.backbone("efficientnet_lite0", pretrained=False)
    first = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    crops = torch.rand(2, 3, 32, 32) + 3
    with torch.no_grad():
        for _ in range(40):
            network.train()(crops)
    torch.testing.assert_close(first.running_mean, seen[0], rtol=0.05, atol=1e-3)
