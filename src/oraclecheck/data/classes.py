"""Class folders: one for each class, named after it. Cheap to import, for the configuration counts them."""

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
