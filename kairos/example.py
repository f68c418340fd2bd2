"""Where the example workspace is: beside our package in a checkout, inside it when installed."""

from pathlib import Path


def example() -> Path:
    """Return the folder of the example shop.

    >>> (example() / "workspace.yaml").is_file()
    True
    """
    package = Path(__file__).parent
    carried = package / "_app" / "examples" / "shop"
    return carried if carried.is_dir() else package.parent / "examples" / "shop"
