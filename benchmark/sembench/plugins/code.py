"""Python files of the user's: where they stand, and how they are imported."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sembench.errors import in_one_line
from sembench.plugins.surroundings import surroundings


@dataclass(frozen=True)
class Code:
    """A Python file, and how it is imported.

    Attributes:
        file: The file.
        name: What the module is called.
        first: Folders whose modules it finds before all others.
        last: Folders whose modules it finds after all others.
        lone: Whether it is run by itself, rather than found by its name.
    """

    file: Path
    name: str
    first: tuple[Path, ...] = ()
    last: tuple[Path, ...] = ()
    lone: bool = False

    def surroundings(self) -> AbstractContextManager[None]:
        """What it sees while it runs, see `sembench.plugins.surroundings.surroundings`."""
        target = "" if self.lone or not self.first else self.name.partition(".")[0]
        return surroundings(*self.first, last=self.last, argument=str(self.file), target=target)

    def module(self) -> ModuleType:
        """The module; it runs once. One that fails is not kept.

        Raises:
            ImportError: If another module is called like it; and whatever the file raises.
        """
        with self.surroundings():
            found = sys.modules.get(self.name)
            if found is None:
                found = _run(self.file, self.name) if self.lone else importlib.import_module(self.name)
        if self.first and Path(str(getattr(found, "__file__", None))).resolve() != self.file.resolve():
            raise ImportError(f"a module called {self.name} is loaded already; rename the file")
        return found


def of_file(path: Path, name: str = "") -> Code:
    """The code in a file: by itself under a name of its own, or as the part of a package that it imports from."""
    path = path.resolve()
    folder = root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    parts = path.relative_to(root).with_suffix("").parts
    if root != folder and _imports_relatively(path) and not any("." in part for part in parts):
        return Code(path, ".".join(parts).removesuffix(".__init__"), (root,), (folder,))
    own = name or f"sembench_own_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    return Code(path, own, (folder,), () if root == folder else (root,), lone=True)


def in_folder(folder: Path, name: str) -> Path | None:
    """The file of a module in a folder, found without importing anything; ``None`` where there is none."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    place = folder.resolve().joinpath(*parts)
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def why(error: BaseException) -> str:
    """What an error of the user's code says, in one line, with what to do about the usual ones."""
    said = in_one_line(error)
    if isinstance(error, SystemExit):
        return (
            f"it ends Python ({said}), as scripts do, e.g. by argparse. Put what is no definition under "
            'if __name__ == "__main__":'
        )
    if isinstance(error, ImportError) and "relative import" in said:
        return (
            f"{said}. It is a part of a package then: give package.module, the name that it has there, from the folder "
            "that holds the package"
        )
    return said


def _imports_relatively(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False  # running it says so, with the line
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _run(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
