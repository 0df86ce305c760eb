"""Build the compiled part of cortexscope beside its sources, where there is a C compiler.

Without one the package is built all the same: everything is then computed by torch, more slowly.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src", "cortexscope", "native")
# The order of sums is written down in the sources, and no flag may change it.
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")
# By the capability of a processor, as torch calls it.
CAPABILITIES: dict[str, tuple[str, ...]] = {"DEFAULT": ()}
if platform.machine().lower() in ("x86_64", "amd64"):
    CAPABILITIES["AVX2"] = ("-mavx2", "-mfma")
    wide = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")
    CAPABILITIES["AVX512"] = (*CAPABILITIES["AVX2"], *wide)


def compiler() -> list[str] | None:
    """Return the C compiler that the environment names, or the first that is found."""
    if named := os.environ.get("CC"):
        return shlex.split(named)
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    return [found] if found else None


def build(root: Path) -> str | None:
    """Build the libraries; return why they could not be built, None if they were."""
    folder = root / FOLDER
    for old in folder.glob("*.so"):
        old.unlink()
    sources = sorted(folder.glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    with_compiler = compiler()
    if with_compiler is None:
        return "there is no C compiler"
    for capability, flags in CAPABILITIES.items():
        line = [
            *with_compiler,
            *FLAGS,
            *flags,
            f'-DSOURCES="{digest}"',
            *shlex.split(os.environ.get("CFLAGS", "")),
            *(str(source) for source in sources if source.suffix == ".c"),
            "-lm",
            "-o",
            str(folder / f"_native.{capability}.so"),
        ]
        try:
            subprocess.run(line, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            return f"the C compiler failed: {said[-1] if said else 'it says nothing'}"
    return None


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the library to a wheel, which is then one of this platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the wheel is put together."""
        if self.target_name != "wheel" or sys.platform == "win32":
            return
        why = build(Path(self.root))
        if why is not None:
            self.app.display_warning(f"cortexscope is built without its compiled part: {why}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
        build_data["artifacts"].append(f"{FOLDER.as_posix()}/*.so")
