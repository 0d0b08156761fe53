"""How the code is built: lines, modules per folder, long functions, arrows between folders, circles, configuration.

`python benchmarks/structure.py [PACKAGE_FOLDER]` prints the tables. Everything is read from the syntax trees: nothing
is imported or run. An import under `if TYPE_CHECKING:` is no arrow, since it is not there when the program runs; one
inside a function is.
"""

from __future__ import annotations

import ast
import collections
import dataclasses
import pathlib
import sys
from collections.abc import Iterator
from typing import TypeGuard

PACKAGE = "static_gesture_classification"
LONG = 40
"""Lines of a function, docstring apart, from which it is called long."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Module:
    """One file of the package: its dotted name without the package's, its lines and its syntax tree."""

    name: str
    lines: int
    tree: ast.Module
    is_package: bool

    @property
    def folder(self) -> str:
        """The folders above the module, dotted; the package's own modules are in '.'."""
        folders = self.name if self.is_package else self.name.rpartition(".")[0]
        return folders or "."


def modules_in(package: pathlib.Path) -> dict[str, Module]:
    """Every module of the package folder, by its dotted name below the package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parts = path.relative_to(package).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = Module(name, text.count("\n"), ast.parse(text, str(path)), is_package)
    return found


def functions_in(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function and method with its qualified name."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(module.tree, "")


def names_defined_in(module: Module) -> set[str]:
    """The public functions, classes and constants of a module."""
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if is_assigned(name)}
    return {name for name in names if not name.startswith("_")}


def is_assigned(node: ast.AST) -> TypeGuard[ast.Name]:
    """Whether a node is a name that gets a value, not one of an object that does."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def length(function: Function) -> int:
    """Lines of a function from its `def` on, docstring apart."""
    docstring = function.body[0]
    is_docstring = isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    hidden = docstring.end_lineno - docstring.lineno + 1 if is_docstring and docstring.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - hidden


def takes_dict_config(function: Function) -> bool:
    """Whether a parameter is a DictConfig; a function that takes one is none."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    written = [ast.unparse(argument.annotation) for argument in every if argument.annotation]
    return any("DictConfig" in text and "Callable" not in text for text in written)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(module: Module, modules: dict[str, Module]) -> set[str]:
    """Names of the package's modules that a module imports when it runs."""

    def walk(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            elif not is_type_checking(child):
                yield from walk(child)

    imported: set[str] = set()
    for statement in walk(module.tree):
        if isinstance(statement, ast.Import):
            candidates = [alias.name for alias in statement.names]
        else:
            candidates = [f"{statement.module}.{alias.name}" for alias in statement.names]
            candidates = [
                name if name.removeprefix(PACKAGE + ".") in modules else name.rpartition(".")[0] for name in candidates
            ]
        within = (name.removeprefix(PACKAGE).removeprefix(".") for name in candidates if name.startswith(PACKAGE))
        imported.update(name for name in within if name in modules and name != module.name)
    return imported


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that reach one another (strongly connected components of two or more; Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows.get(name, ())):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return groups


def folder_arrows(modules: dict[str, Module]) -> collections.Counter[tuple[str, str]]:
    """How many imports go from one folder to another; the package's own modules (folder '.') are left out."""
    counted: collections.Counter[tuple[str, str]] = collections.Counter()
    for module in modules.values():
        for name in imports_of(module, modules):
            pair = (module.folder, modules[name].folder)
            if pair[0] != pair[1] and "." not in pair:
                counted[pair] += 1
    return counted


def report(package: pathlib.Path) -> str:
    """The tables as Markdown."""
    modules = modules_in(package)
    functions = [(module.name, name, node) for module in modules.values() for name, node in functions_in(module)]
    lengths = [length(node) for *_, node in functions]
    long = sorted(
        ((size, f"{m}.{n}") for size, (m, n, _) in zip(lengths, functions, strict=True) if size > LONG), reverse=True
    )
    configured = [f"{m}.{n}" for m, n, node in functions if takes_dict_config(node)]
    inside = [name for name in configured if name.rpartition(".")[2] not in ("main", "from_config")]
    file_circles = circles({name: imports_of(module, modules) for name, module in modules.items()})
    arrows = folder_arrows(modules)
    folder_graph: dict[str, set[str]] = collections.defaultdict(set)
    for source, target in arrows:
        folder_graph[source].add(target)
    per_folder: dict[str, list[Module]] = collections.defaultdict(list)
    for module in modules.values():
        per_folder[module.folder].append(module)

    rows = [
        ("lines", sum(module.lines for module in modules.values())),
        ("modules", len(modules)),
        ("folders", len(per_folder)),
        ("functions", len(functions)),
        ("lines of a function, mean", f"{sum(lengths) / len(lengths):.1f}"),
        (f"functions over {LONG} lines", len(long)),
        ("functions that take a DictConfig", len(configured)),
        ("... that are neither main nor from_config", len(inside)),
        ("arrows between folders", len(arrows)),
        ("circles between files", len(file_circles)),
        ("circles between folders", len(circles(folder_graph))),
    ]
    text = ["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows), ""]
    text += ["| folder | modules | lines | imports from |", "|---|---:|---:|---|"]
    for folder, members in sorted(per_folder.items()):
        targets = ", ".join(sorted(folder_graph.get(folder, ())))
        text.append(f"| {folder} | {len(members)} | {sum(module.lines for module in members)} | {targets} |")
    text += ["", *(f"- circle: {' <-> '.join(group)}" for group in file_circles)]
    text += [f"- circle of folders: {' <-> '.join(group)}" for group in circles(folder_graph)]
    text += [f"- {size} lines: {name}" for size, name in long]
    text += [f"- takes a DictConfig: {name}" for name in inside]
    return "\n".join(text) + "\n"


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent
    print(report(pathlib.Path(sys.argv[1]) if sys.argv[1:] else root / PACKAGE), end="")


if __name__ == "__main__":
    main()
