"""Fetches the packages of the lists through cargo and pip. What is there already is not fetched again.

    python -m recipe.fetch FOLDER [--budget SECONDS]

Nothing is built and nothing is installed: crates are unpacked by cargo itself, wheels are zip archives.
"""

import argparse
import re
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import packages
from .progress import say

LISTS = Path(__file__).parent.parent / "packages"
#: pip spends most of its time waiting.
N_DOWNLOADS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lists", type=Path, default=LISTS, help="folder with rust.txt and python.txt")
    parser.add_argument("--budget", type=float, default=1800, help="seconds after which nothing more is begun")
    options = parser.parse_args()
    fetch_crates(list(packages.read_list(options.lists / "rust.txt")), options.folder / "rust")
    deadline = time.monotonic() + options.budget
    if not fetch_wheels(list(packages.read_list(options.lists / "python.txt")), options.folder / "python", deadline):
        sys.exit("the time is up; run it again to go on")


def manifest(names: list[str]) -> str:
    """A package that depends on everything. Without default features fewer versions get in each other's way."""
    lines = [f'"{name}" = {{ version = "*", default-features = false }}' for name in names]
    return '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n' + (
        "\n".join(lines) + "\n"
    )


def fetch_crates(names: list[str], folder: Path) -> None:
    """`cargo fetch`, and what `cargo metadata` says of the crates and theirs, in `FOLDER/metadata.json`."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    text, toml = manifest(names), folder / "Cargo.toml"
    done = folder / "metadata.json"
    if done.exists() and toml.exists() and toml.read_text() == text:
        say(f"crates: {len(names)} names fetched already")
        return
    toml.write_text(text)
    (folder / "src/lib.rs").write_text("")
    say(f"crates: cargo fetches {len(names)} names and what they depend on")
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=folder, check=True)
    command = ["cargo", "metadata", "--format-version", "1", "--offline"]
    metadata = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    done.write_bytes(metadata)


def fetch_wheels(names: list[str], folder: Path, deadline: float) -> bool:
    """The newest wheel of each name, unpacked into `FOLDER/site`; names that have none are reported and left out.
    Whether all names were tried before the deadline."""
    (folder / "fetched").mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not (folder / "fetched" / name).exists()]
    say(f"wheels: {len(names) - len(missing)} fetched already, {len(missing)} to fetch")
    with ThreadPoolExecutor(N_DOWNLOADS) as pool:
        results = pool.map(lambda name: (name, _fetch_wheel(name, folder, deadline)), missing)
        for number, (name, problem) in enumerate(results, 1):
            if problem:
                say(f"wheels: {number}/{len(missing)} {name}: {problem}")
            elif number % 10 == 0 or number == len(missing):
                say(f"wheels: {number}/{len(missing)}")
    return time.monotonic() < deadline or not missing


def _fetch_wheel(name: str, folder: Path, deadline: float) -> str | None:
    """What went wrong, if anything did."""
    if time.monotonic() > deadline:
        return "no time left"
    download = folder / "download" / name
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    result = subprocess.run([*command, "--dest", str(download), name], capture_output=True, text=True)
    found = list(download.glob("*.whl"))
    if result.returncode or not found:
        return re.sub(r"\s+", " ", result.stderr.strip())[-160:] or "no wheel"
    for wheel in found:
        unpack(wheel, folder / "site")
        wheel.unlink()
    (folder / "fetched" / name).touch()
    return None


def unpack(wheel: Path, folder: Path) -> None:
    """The sources and the metadata of a wheel; entries that point outside the folder are left out."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            is_wanted = name.endswith((".py", ".dist-info/METADATA", ".dist-info/RECORD"))
            if is_wanted and ".." not in name.split("/") and not name.startswith("/"):
                archive.extract(name, folder)


if __name__ == "__main__":
    main()
