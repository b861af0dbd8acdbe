"""The package that pip builds: its files, its imports in an environment without other packages, and its types."""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from freeu import Settings, arguments, to_infotext

ROOT = Path(__file__).parent.parent
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "docs", "emoji*", "out", "training", "freeu-tune")
SCRIPT = """\
from pathlib import Path
import freeu
from freeu import Session

settings: freeu.Settings = freeu.Settings.parse({"preset": "SDXL"}).replace(b1=1.2)
loaded: freeu.Settings | None = freeu.from_infotext(freeu.to_infotext(settings))
strengths: list[float] = [freeu.strength(settings, step, 10) for step in range(10)]
name: str = freeu.user_presets.UserPresets(Path("presets.json")).save("mine", settings)
def count(session: Session) -> int: return session.calls
freeu.Settings(b9=1)
"""
"""A script of a user. The last of its ten lines has the only mistake."""


class Installed(NamedTuple):
    """The wheel, and a virtual environment that contains nothing else."""

    wheel: Path
    environment: Path

    def run(self, program, *arguments):
        """Run a program of the environment, in its folder. Return the output."""
        command = [self.environment / "bin" / program, *arguments]
        found = subprocess.run(command, cwd=self.environment, check=False, capture_output=True, text=True, timeout=60)
        assert found.returncode == 0, found.stderr
        return found.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel as pip does, from a copy because the build leaves files in the source folder, and install it."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_COPIED)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    run_python("-c", build, cwd=folder / "source")
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    run_python("-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return Installed(wheel, environment)


def run_python(*arguments, cwd):
    subprocess.run([sys.executable, *arguments], cwd=cwd, check=True, capture_output=True, timeout=120)


def test_the_wheel_has_all_files_of_freeu_and_no_others(installed):
    names = zipfile.ZipFile(installed.wheel).namelist()
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "freeu").rglob("*") if path.is_file()}
    assert {name for name in names if ".dist-info/" not in name} == {
        name for name in files if "__pycache__" not in name
    }


def test_the_extra_is_the_list_of_requirements(installed):
    wheel = zipfile.ZipFile(installed.wheel)
    (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    extra = [line for line in metadata.splitlines() if line.endswith('; extra == "tune"')]
    listed = (ROOT / "requirements" / "tune.txt").read_text().splitlines()
    assert [line.removeprefix("Requires-Dist: ").partition(";")[0] for line in extra] == [
        line for line in listed if not line.startswith("#")
    ]


def test_what_needs_no_other_package_works_without_any(installed):
    infotext = "Steps: 20, " + ", ".join(f"{key}: {value}" for key, value in to_infotext(Settings(b1=1.2)).items())
    (installed.environment / "infotext.txt").write_text(infotext)
    assert json.loads(installed.run("freeu", "convert", "infotext.txt")) == arguments.to_script(Settings(b1=1.2))
    code = "import freeu; print(freeu.__file__); print(freeu.Settings(b1=1.2).b1)"
    file, b1 = installed.run("python", "-c", code).splitlines()
    assert Path(file).is_relative_to(installed.environment)
    assert b1 == "1.2"


def test_a_name_that_needs_another_package_says_which(installed):
    needed = {"attach": "torch", "strength": "numpy", "diagnostics": "torch", "user_presets": "filelock"}
    read = "try: getattr(freeu, name)\n except ImportError as error: print(error)"
    code = f"import freeu\nfor name in {[*needed]}:\n {read}"
    assert installed.run("python", "-c", code).splitlines() == [
        f"freeu.{name} needs {package}, which is not installed: pip install {package}"
        for name, package in needed.items()
    ]


def test_types_reach_a_script_that_uses_the_package(installed, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    python = installed.environment / "bin" / "python"
    options = ("--strict", "--config-file=", "--python-executable", python, "--no-error-summary")
    command = [sys.executable, "-m", "mypy", *options, "script.py"]
    found = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)
    assert found.stdout == 'script.py:10: error: Unexpected keyword argument "b9" for "Settings"  [call-arg]\n'
