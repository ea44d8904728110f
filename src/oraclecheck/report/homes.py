"""Where a report goes: a folder for all of it, and one for each study."""

import os
import re
from collections.abc import Sequence
from pathlib import Path


def homes(sources: Sequence[str], out: Path | None, studies: Sequence[str]) -> tuple[Path, dict[str, Path]]:
    """The folder of the whole report, and that of each study.

    Args:
        sources: Where the runs came from; only folders matter.
        out: The folder that the user names; None puts each study's report beside its records.
        studies: Names of the studies.
    """
    folders = [Path(source) for source in sources if Path(source).is_dir()]
    here = out or Path("report")
    own: dict[str, Path] = {}
    for study in studies:
        name = re.sub(r"[^\w.,=+@-]", "-", study).strip(".") or "study"
        while name in {home.name for home in own.values()}:
            name += "-again"
        beside = [folder for folder in folders if folder.resolve().name == study]
        if study == Path(study).name:  # one such as "../x" would lead elsewhere
            beside += [folder / study for folder in folders if (folder / study).is_dir()]
        own[study] = beside[0] / "report" if beside and out is None else here / name
    if out is not None:
        return out, own
    if len(studies) == 1:
        return own[studies[0]], own
    return (folders[0] / "report" if len(sources) == len(folders) == 1 else here), own


def check_folder(folder: Path, what: str, mend: str = "") -> None:
    """Find out before minutes of computing whether a folder could be made and written; nothing is made yet.

    Raises:
        ValueError: If it could not; the sentence begins with `what` and ends with `mend`.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"{what} must be a folder; got {folder}, where {there} is a file{mend}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{what} must be a folder that can be written; {there} cannot{mend}")
