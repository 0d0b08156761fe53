import re
import subprocess
import sys
from pathlib import Path


def test_torchvision_models_work_beside_any_torch() -> None:
    code = "from static_gesture_classification.torchvision_operators import models; print(models.resnet18())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BasicBlock" in result.stdout, result.stderr


def test_no_other_module_imports_torchvision_or_cv2(project: Path) -> None:
    importing = [
        path.name
        for path in (project / "static_gesture_classification").rglob("*.py")
        if re.search(r"^\s*(import|from) (torchvision|cv2)\b", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["torchvision_operators.py"]
