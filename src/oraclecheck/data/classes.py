"""Class folders, one for each class, named after it, and choices that are balanced over classes.

Cheap to import, for the configuration counts classes.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path


def class_folders(key: str, folder: str | None) -> list[str]:
    """Names of the classes in a folder of images, sorted; the label of a class is its place among them.

    Args:
        key: The configuration key that names the folder, for messages.
        folder: Holds a folder for each class; hidden ones do not count.

    Raises:
        ValueError: If there is no such folder, or no class in it.
    """
    rule = f"{key} must be a folder that holds a folder of images for each class"
    if folder is None:
        raise ValueError(f"{rule}; got none: give {key}=DIR")
    path = Path(folder)
    if not path.is_dir():
        raise ValueError(f"{rule}; got {folder}, which {'is a file' if path.is_file() else 'does not exist'}")
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise ValueError(f"{rule}; got {folder}: {error.strerror}") from None
    if not names:
        raise ValueError(f"{rule}; got {folder}, which holds no folders")
    return names


def balanced(labels: Sequence[int], n: int) -> list[int]:
    """Indices, ascending, of n images: of every class as many as of any other, as long as it has them.

    They are chosen by the hash of their index, which no version of any library changes.

    Args:
        labels: The class of each image.
        n: At most as many as there are.
    """
    of_class: dict[int, int] = {}
    places = []
    for index in sorted(range(len(labels)), key=lambda index: hashlib.sha256(str(index).encode()).digest()):
        rank = of_class.get(labels[index], 0)
        of_class[labels[index]] = rank + 1
        places.append((rank, labels[index], index))
    return sorted(index for _, _, index in sorted(places)[:n])
