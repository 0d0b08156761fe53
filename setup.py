"""Puts conf/, which lies beside the package in a checkout, inside it in a wheel; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = "static_gesture_classification"


class BuildWithConf(build_py):
    """Copies the files of conf/ into the package that is built."""

    def run(self) -> None:
        """Build the package, then add conf/ without the settings of this machine."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / PACKAGE / "conf"
            shutil.copytree("conf", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("local"))


setup(cmdclass={"build_py": BuildWithConf})
