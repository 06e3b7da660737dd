"""Where the settings that come with msseg are: layouts and experiments, as YAML files."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def config_folder() -> Path:
    """The folder `configs`: inside the installed package, or at the top of a checkout.

    Raises:
        FileNotFoundError: Neither is there; the installation is incomplete.
    """
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if (folder / "layouts").is_dir():
            return folder
    raise FileNotFoundError(f"the settings that come with msseg are missing in {_PACKAGE}; install it again")
