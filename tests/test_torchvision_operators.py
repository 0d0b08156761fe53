import re
import subprocess
import sys
from pathlib import Path


def test_torchvision_models_work_beside_any_torch() -> None:
    code = "from static_gesture_classification.torchvision_operators import models; print(models.resnet18())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BasicBlock" in result.stdout, result.stderr


def test_torchvision_and_cv2_are_each_imported_in_one_module(project: Path) -> None:
    importing = [
        path.name
        for path in (project / "static_gesture_classification").rglob("*.py")
        if re.search(r"^\s*(import|from) (torchvision|cv2)\b", path.read_text(), re.MULTILINE)
    ]
    assert sorted(importing) == ["opencv.py", "torchvision_operators.py"]


def test_stages_of_the_pipeline_do_without_opencv() -> None:
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "import train_static_gestures\n"
        "from static_gesture_classification.active_learning.planning import make_plan\n"
        "from static_gesture_classification.evaluation import evaluate, promote\n"
        "from static_gesture_classification.preparation import crops, index, landmarks, split\n"
        "from static_gesture_classification.synthetic import generate\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
