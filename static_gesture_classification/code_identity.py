"""Which code made a result: a hash of its modules and of all modules of this package that they import.

Comments, docstrings, line breaks and modules that change no result (`SURROUNDINGS`) do not count.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "static_gesture_classification"
ROOT = Path(__file__).resolve().parent.parent
# Modules that name types, read and write files, fetch, share out work, or show progress: no result depends on them.
SURROUNDINGS = (
    "arrays",
    "atomic_files",
    "code_identity",
    "command_help",
    "command_line",
    "commands",
    "conf_files",
    "configuration",
    "downloads",
    "errors",
    "file_data",
    "file_names",
    "file_state",
    "free_memory",
    "garbage_collection",
    "keyed_store",
    "local_settings",
    "opencv",
    "parallel",
    "places",
    "process_lock",
    "progress_file",
    "row_arrays",
    "settings",
    "terminal",
    "torchmetrics_alone",
    "workspace",
    "tracking",
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, *_FUNCTIONS)


def code_digest(files: Iterable[Path], root: Path = ROOT) -> str:
    """Hash of source files and of the modules that they import: 32 hex digits.

    Args:
        files: see `closure`; their order does not matter.
        root: see `closure`.
    """
    parts = sorted(f"{file.name}\0{_meaning(file.read_bytes())}" for file in closure(files, root) - _surroundings(root))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def closure(files: Iterable[Path], root: Path = ROOT, in_functions: bool = True) -> set[Path]:
    """Source files with all modules of the package that they import, but not those for type checkers.

    Args:
        files: of the package, or scripts that import it.
        root: the folder that holds the package.
        in_functions: whether what is imported only when a function is called counts too.
    """
    found: set[Path] = set()
    root, waiting = root.resolve(), [file.resolve() for file in files]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            names = _imports_of(file.read_bytes(), in_functions)
            waiting += [path for name in names for path in _files_of(name, root)]
    return found


def modules_below(folder: Path) -> list[Path]:
    """All Python files below a folder, sorted."""
    return sorted(folder.rglob("*.py"))


@cache
def _surroundings(root: Path) -> frozenset[Path]:
    package = root.resolve() / PACKAGE
    files = [package / f"{name}.py" for name in SURROUNDINGS]
    return frozenset([*files, *(file for name in SURROUNDINGS for file in modules_below(package / name))])


@cache
def _meaning(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


@cache
def _imports_of(source: bytes, in_functions: bool) -> frozenset[str]:
    """Dotted names that may be modules of the package: `from a.b import c` may mean the module a.b.c."""
    names: set[str] = set()
    for node in _runtime_nodes(ast.parse(source), in_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.partition(".")[0] == PACKAGE)


def _runtime_nodes(node: ast.AST, in_functions: bool) -> Iterator[ast.AST]:
    """All nodes but those below `if TYPE_CHECKING:`, and perhaps those of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, _FUNCTIONS) and not in_functions:
            continue
        yield child
        yield from _runtime_nodes(child, in_functions)


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """The file of a module, where it is one, and the `__init__` of each package that it lies in."""
    folder = root
    for part in name.split("."):
        if (folder / f"{part}.py").is_file():
            yield folder / f"{part}.py"
        folder /= part
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"
