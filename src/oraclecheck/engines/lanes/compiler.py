"""The C++ compiler of this machine, and what tells the code that it makes from another's."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FLAGS = ("-std=c++20", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
LONGEST = 600  # seconds that compiling may take

NEEDED = "engine=lanes must have a C++20 compiler, g++ 10 or clang++ 10 at least"
OTHER = (
    "install the package g++ (Debian, Ubuntu), gcc-c++ (Fedora), the Xcode command line tools (macOS) or `pip install "
    "ziglang`, or choose engine=lightning"
)


@dataclass(frozen=True)
class Compiler:
    """A compiler that works.

    Attributes:
        command: The program and its first arguments.
        name: The first line of what it says of its version.
        target: All macros that it defines with our flags: they know its version, and what this CPU has.
    """

    command: tuple[str, ...]
    name: str
    target: str

    def compile(self, source: Path, library: Path) -> None:
        """Make a shared library of a C++ file.

        Raises:
            ValueError: If it cannot; with what it complains of first.
        """
        done = _call([*self.command, *FLAGS, str(source), "-o", str(library)])
        if done.returncode:
            lines = done.stderr.splitlines() or ["it says nothing"]
            reason = next((line for line in lines if "error" in line), lines[-1])
            raise ValueError(f"{NEEDED}; {shlex.join(self.command)} cannot compile {source.name}: {reason}: {OTHER}")


@cache
def compiler() -> Compiler:
    """The compiler named by $CXX, else the first that is there.

    Raises:
        ValueError: If there is none that knows our flags.
    """
    command = _command()
    if command is None:
        raise ValueError(f"{NEEDED}; got none: {OTHER}")
    try:
        macros = _call([*command, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull])
        name = _call([*command, "--version"]).stdout.partition("\n")[0].strip()
    except OSError as error:
        raise ValueError(f"{NEEDED}; got {shlex.join(command)}, {error.strerror}: {OTHER}") from error
    if macros.returncode:
        reason = next(iter(macros.stderr.strip().splitlines()), "it says nothing")
        raise ValueError(f"{NEEDED}; got {shlex.join(command)}, which cannot take our flags ({reason}): {OTHER}")
    return Compiler(command, name, macros.stdout)


def _command() -> tuple[str, ...] | None:
    if said := os.environ.get("CXX"):
        return tuple(shlex.split(said))
    found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
    if found:
        return (found,)
    if importlib.util.find_spec("ziglang"):  # clang as a wheel
        return (sys.executable, "-m", "ziglang", "c++")
    return None


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    plain = {**os.environ, "LC_ALL": "C"}  # what it says may stand in a sentence of ours
    return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=plain, check=False)
