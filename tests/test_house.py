"""What holds for the package and the checkout as a whole: light imports, documented modules, one version."""

import ast
import configparser
import datetime
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import msseg

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "msseg").rglob("*.py"))
HEAVY = {
    "torch", "lightning", "pytorch_lightning", "monai", "torchio", "numpy", "scipy", "skimage", "pandas",
    "matplotlib", "nibabel", "SimpleITK", "nilearn",
}  # fmt: skip
COMMANDS = (
    "demo", "check", "run", "train", "tune", "predict", "evaluate", "compare", "agreement", "report", "models",
    "layouts", "networks", "losses", "schema",
)  # fmt: skip
LONGEST_FILE = 300
HELP_SECONDS = 0.3


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)


def imported(*arguments: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter imports while it runs."""
    lines = run_python("-X", "importtime", *arguments).stderr.splitlines()
    names = {line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")}
    return {name.split(".")[0] for name in names}


def module_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ---------------------------------------------------------------------------------------- light


def test_importing_the_package_imports_nothing_heavy() -> None:
    names = imported("-c", "import msseg; msseg.__version__")
    assert "msseg" in names
    assert not names & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    names = imported("-m", "msseg", *arguments)
    assert "typer" in names
    assert not names & HEAVY


def test_help_answers_quickly() -> None:
    """Best processor time of six: what a call takes on an idle machine, measured on a busy one as well."""
    resource = pytest.importorskip("resource", reason="this system does not count processes' time")

    def processor_seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(usage.ru_utime + usage.ru_stime)

    seconds = []
    for _ in range(6):  # the first call compiles
        start = processor_seconds()
        run_python("-m", "msseg", "--help")
        seconds.append(processor_seconds() - start)
    assert min(seconds) < HELP_SECONDS


def test_help_names_every_command() -> None:
    text = run_python("-m", "msseg", "--help").stdout
    missing = [name for name in COMMANDS if not re.search(rf"^\W*{name}\b", text, flags=re.MULTILINE)]
    assert missing == []


def test_load_model_is_found_on_the_package() -> None:
    from msseg.inference.predictor import load_model

    assert msseg.load_model is load_model
    assert "load_model" in dir(msseg)
    with pytest.raises(AttributeError, match="no attribute 'load_modl'"):
        _ = msseg.load_modl  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------- readable


def test_every_module_has_a_docstring() -> None:
    texts = {module_name(path): path.read_text(encoding="utf-8") for path in MODULES}
    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_every_file_is_short() -> None:
    lengths = {module_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def checkout_files() -> list[Path]:
    """Files that belong to the checkout: tracked, or new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode != 0:
        pytest.skip("this is no git checkout")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_place_on_one_machine() -> None:
    """Absolute paths into somebody's home, mounts, work or temporary folders mean nothing elsewhere."""
    place = re.compile(rb"(?<![\w.:/~])(/(home|root|Users|mnt|media|work|workspace|tmp)/\w|[A-Z]:\\+Users\\)")
    found = []
    for path in checkout_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found += [f"{module_name(path)}: {match.group().decode()}" for match in place.finditer(content)]
    assert found == []


# ---------------------------------------------------------------------------------------- packaged


@pytest.fixture(scope="module")
def packaging() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_folder_of_code_and_configs_is_packaged(packaging: configparser.ConfigParser) -> None:
    code = {path.parent for path in MODULES}
    configs = {path.parent for path in (ROOT / "configs").rglob("*.yaml")} | {ROOT / "configs"}
    expected = {".".join(path.relative_to(ROOT).parts) for path in code}
    expected |= {".".join(("msseg", *path.relative_to(ROOT).parts)) for path in configs} | {"msseg.models"}
    assert set(packaging["options"]["packages"].split()) == expected


def test_data_files_are_packaged(packaging: configparser.ConfigParser) -> None:
    """Whatever lies beside the code and is no code (templates, marks) matches a pattern of its package."""
    patterns = {package: patterns.split() for package, patterns in packaging["options.package_data"].items()}
    for folder, prefix in ((ROOT / "msseg", "msseg"), (ROOT / "configs", "msseg.configs")):
        for path in folder.rglob("*"):
            if path.is_dir() or path.suffix in {".py", ".pyc"}:
                continue
            parts = path.relative_to(folder).parts
            owners = [(".".join((prefix, *parts[:n])), Path(*parts[n:])) for n in range(len(parts))]
            assert any(
                rest.match(pattern) and len(rest.parts) == len(Path(pattern).parts)
                for package, rest in owners
                for pattern in patterns.get(package, [])
            ), f"{module_name(path)} would be missing from an installed msseg"


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\S+)\] - (\S+)$", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == str(citation["version"]) == msseg.__version__
    assert newest[2] == str(citation.get("date-released", "unreleased"))
    if newest[2] != "unreleased":
        datetime.date.fromisoformat(newest[2])


def test_installed_version_is_the_package_s_own() -> None:
    try:
        installed = importlib.metadata.version("msseg")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("msseg runs from its checkout, uninstalled")
    assert installed == msseg.__version__


def test_every_requirement_is_pinned(packaging: configparser.ConfigParser) -> None:
    extras = packaging["options.extras_require"]
    lists = [packaging["options"]["install_requires"], *(extras.get(name) for name in extras)]
    required = {normalised(line) for text in lists for line in text.splitlines() if line.strip()}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normalised(line) for line in lines if "==" in line}
    assert required - pinned == set()


def normalised(requirement: str) -> str:
    """The project's name in a requirement, as package indices compare it."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()
