"""What an exception says, on one line."""


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type's name where it says nothing."""
    return next((line for line in map(str.strip, str(error).splitlines()) if line), type(error).__name__)


def tell(error: BaseException) -> str:
    """An exception's type, and the first line of what it says, if it says anything."""
    name, said = type(error).__name__, first_line(error)
    return name if said == name else f"{name}: {said}"
