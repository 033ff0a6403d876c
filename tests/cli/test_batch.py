"""Notebooks run in order with their parameters, and only whole ones get their final names."""

import contextlib
import json
import os
import re
import sys
import tempfile
from base64 import b64decode

import nbformat
import pytest

from agn_helpers.cli import batch
from agn_helpers.cli.batch import list_notebooks, run_notebooks
from agn_helpers.cli.parameters import NotebookError
from agn_helpers.errors import AgnError

DESCRIBE = """
import json, os, sys
from pathlib import Path
values = {name: globals().get(name) for name in ("run", "survey", "size", "step")}
values["python"], values["cwd"] = sys.executable, os.getcwd()
(Path("data") / run / f"{values['size']}.json").write_text(json.dumps(values))
"""


def write_notebook(folder, name, *cells, parameters='run = "synthetic"'):
    """A notebook as a user might have it: prose, a parameters cell, then code."""
    cell = nbformat.v4.new_code_cell(parameters)
    cell.metadata["tags"] = ["parameters"]
    codes = [nbformat.v4.new_code_cell(source) for source in cells]
    for code in codes:
        code.metadata["tags"] = re.findall(r"^# tag: (.+)$", code.source, flags=re.MULTILINE)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell, *codes])
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path):
    # A template language reads braces otherwise, a shell the blank.
    folder = tmp_path / "my {project}"
    folder.mkdir()
    return folder


def run(project, **options):
    return run_notebooks(project / "notebooks", project=project, progress=False, **options)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("short", [True, False])
def test_a_long_folder_for_temporary_files_is_no_hindrance(project, tmp_path, monkeypatch, short):
    """Names of sockets are cut at some hundred bytes: a shorter folder, or the loopback, holds them."""
    long = tmp_path / ("long " * 40) / "folder"
    long.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(batch, "_SHORT_FOLDERS", batch._SHORT_FOLDERS if short else ())
    monkeypatch.setenv("HOME", str(long))
    with batch._make_socket_folder() as folder:
        assert (len(str(folder)) < 90) == short
    write_notebook(project / "notebooks", "01_first", "print(6 * 7)")
    (path,) = run(project)
    assert "42" in path.read_text()
    assert not list(long.glob("agn-*"))


def test_notebooks_run_in_order_and_become_pages(project, tmp_path, monkeypatch):
    write_notebook(
        project / "notebooks",
        "02_second",
        DESCRIBE,
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        parameters='run = "x"\nstep = 0.5  # in units of size = 1',
    )
    write_notebook(
        project / "notebooks", "01_first", DESCRIBE, parameters='run = "x"\nsurvey = "y"\nsize = 1'
    )
    write_notebook(project / "notebooks", "draft", "1/0")
    # Neither a kernel of this name installed elsewhere nor a backend without figures may get in between.
    decoy = tmp_path / "jupyter" / "kernels" / "python3"
    decoy.mkdir(parents=True)
    (decoy / "kernel.json").write_text(
        json.dumps({"argv": ["false"], "display_name": "no", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = os.getcwd()

    paths = run(project, run="mine", survey="there", parameters={"size": "3", "step": "2"})

    data = project / "data" / "mine"
    assert paths == [data / "notebooks" / "01_first.ipynb", data / "notebooks" / "02_second.ipynb"]
    first, second = (json.loads((data / name).read_text()) for name in ("3.json", "None.json"))
    home = {"run": "mine", "python": sys.executable, "cwd": str(project)}
    assert first == {**home, "survey": "there", "size": 3, "step": None}
    assert second == {**home, "survey": None, "size": None, "step": 2.0}
    assert os.getcwd() == before
    stems = [f"notebooks/{name}" for name in ("01_first", "02_second")]
    assert files_below(data) == sorted(
        ["3.json", "None.json", *(s + t for s in stems for t in (".html", ".ipynb"))]
    )
    assert (project / "figures" / "mine").is_dir()

    executed = nbformat.read(paths[1], as_version=4)
    assert executed.metadata.papermill.output_path == "02_second.ipynb"
    page = paths[1].with_suffix(".html").read_text()
    assert "<title>02_second</title>" in page
    assert not re.search(r"<(script|iframe|link)\b|\bsrc=(?!\"data:)|@import", page)
    image = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert b64decode(image[1]).startswith(b"\x89PNG")


def test_figures_of_an_earlier_run_go_when_they_are_not_drawn_again(project):
    draw = (
        "from pathlib import Path\nfor k in range({}): (Path('figures/synthetic') / f'01_{{k}}.png').touch()"
    )
    write_notebook(project / "notebooks", "01_first", draw.format(3))
    run(project)
    kept = project / "figures" / "synthetic"
    (kept / "my_own.png").touch()
    write_notebook(project / "notebooks", "01_first", draw.format(1) + "\n1/0")
    with pytest.raises(NotebookError):
        run(project)
    assert len(files_below(kept)) == 4
    write_notebook(project / "notebooks", "01_first", draw.format(1))
    run(project)
    assert files_below(kept) == ["01_0.png", "my_own.png"]


def test_failing_cell_ends_the_run_under_an_honest_name(project):
    notebooks = project / "notebooks"
    write_notebook(notebooks, "01_first", "x = 1")
    write_notebook(notebooks, "02_second", "print('so far')", "x = {}\nx['key']", "print('never')")
    write_notebook(notebooks, "03_third", "x = 1")

    with pytest.raises(NotebookError, match=r"02_second, cell In \[4\]: KeyError: 'key'") as caught:
        run(project)

    failed = project / "data" / "synthetic" / "notebooks" / "02_second.failed.ipynb"
    assert str(failed) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "x['key']" in caught.value.traceback
    assert caught.value.traceback.endswith("KeyError: 'key'")
    assert files_below(failed.parent) == ["01_first.html", "01_first.ipynb", "02_second.failed.ipynb"]
    outputs = [cell.get("outputs", []) for cell in nbformat.read(failed, as_version=4).cells]
    assert "so far" in str(outputs)
    assert "never" not in str(outputs)

    # The failure is gone with the next good run, which repeats no other notebook.
    write_notebook(notebooks, "02_second", "x = 1")
    first = (failed.parent / "01_first.ipynb").stat().st_mtime_ns
    run(project, only=["02"])
    assert "02_second.ipynb" in os.listdir(failed.parent)
    assert not failed.exists()
    assert (failed.parent / "01_first.ipynb").stat().st_mtime_ns == first


# Writes its process number, then does not end by itself.
SLEEP = """# tag: needs-01
import os, time
from pathlib import Path
Path(f"{name}.part").write_text(str(os.getpid()))
Path(f"{name}.part").rename(f"{name}.pid")
time.sleep(300)
"""
WAIT_FOR = """# tag: needs-01
import os, time
from pathlib import Path
Path(f"{name}.part").write_text(str(os.getpid()))
Path(f"{name}.part").rename(f"{name}.pid")
end = time.monotonic() + 60
while not Path(f"{other}.pid").exists():
    assert time.monotonic() < end
    time.sleep(0.02)
"""


def is_alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(batch, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_notebooks_that_need_each_other_not_run_side_by_side(project, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    write_notebook(
        project / "notebooks", "01_first", "import time\ntime.sleep(1)\nopen('first', 'w').close()"
    )
    seen = "import os\nassert not os.path.exists('first')"
    threads = "assert os.environ['OMP_NUM_THREADS'] == '1'"
    for stem, name, other in [("02_second", "a", "b"), ("03_third", "b", "a")]:
        names = f"name, other = {name!r}, {other!r}\n{threads}\n{seen if name == 'a' else ''}"
        check = "assert Path('first').exists()"
        write_notebook(project / "notebooks", stem, f"import os\n{names}", WAIT_FOR, check)
    # Without a tag it waits for all.
    write_notebook(project / "notebooks", "04_last", "for name in 'ab':\n    open(name + '.pid').close()")
    paths = run(project)
    assert [path.stem for path in paths] == ["01_first", "02_second", "03_third", "04_last"]
    # What is not run is not waited for.
    assert [path.stem for path in run(project, only=["03"])] == ["03_third"]


@pytest.mark.usefixtures("two_cores")
def test_failure_ends_what_runs_beside_it(project):
    notebooks = project / "notebooks"
    write_notebook(notebooks, "01_first", "x = 1")
    write_notebook(notebooks, "02_second", "name, other = 'a', 'b'", WAIT_FOR, "1/0")
    write_notebook(notebooks, "03_third", "name = 'b'", SLEEP)
    write_notebook(notebooks, "04_last", "# tag: needs-03\nopen('never', 'w')")
    with pytest.raises(NotebookError, match=r"02_second, cell In \[5\]: ZeroDivisionError"):
        run(project)
    assert not is_alive(int((project / "b.pid").read_text()))
    assert not (project / "never").exists()
    assert files_below(project / "data") == [
        f"synthetic/notebooks/{name}"
        for name in ("01_first.html", "01_first.ipynb", "02_second.failed.ipynb")
    ]


@pytest.mark.usefixtures("two_cores")
def test_of_two_failures_the_first_in_order_is_told_and_a_broken_rule_without_its_traceback(project):
    rule = "data/x/sample.fits is missing; run 01_data_reduction with the same run name first."
    broken = f"from agn_helpers.errors import AgnError\nraise AgnError({rule!r})"
    write_notebook(project / "notebooks", "01_first", "x = 1")
    # The second fails when the third has.
    write_notebook(project / "notebooks", "02_second", "name, other = 'a', 'b'", WAIT_FOR, broken)
    write_notebook(
        project / "notebooks", "03_third", SLEEP.replace("time.sleep(300)", "1/0").replace("{name}", "b")
    )
    with pytest.raises(NotebookError, match=re.escape(f"02_second, cell In [5]: {rule}")) as caught:
        run(project)
    assert caught.value.traceback == ""


@pytest.mark.parametrize("number", ["02", "03", "07"])
def test_a_notebook_needs_earlier_ones(project, number):
    write_notebook(project / "notebooks", "02_second", f"# tag: needs-{number}\n1/0")
    write_notebook(project / "notebooks", "03_third", "1/0")
    with pytest.raises(
        NotebookError, match=f"needs-{number} of a cell of 02_second.ipynb must name an earlier"
    ):
        run(project)
    assert os.listdir(project) == ["notebooks"]


def test_killed_kernel_is_reported(project):
    write_notebook(
        project / "notebooks", "01_first", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    with pytest.raises(NotebookError, match="01_first: its Python process was killed"):
        run(project)
    assert files_below(project / "data") == ["synthetic/notebooks/01_first.failed.ipynb"]


def test_nothing_runs_where_a_parameter_fits_no_notebook(project):
    write_notebook(project / "notebooks", "01_first", "1/0", parameters='run = "x"\nsize = 1')
    write_notebook(project / "notebooks", "02_second", "1/0", parameters='run = "x"\nstep = 1.0')
    for parameters, message in [
        ({"stepp": "1"}, "Did you mean step"),
        ({"size": "1.5"}, "parameter size must be of type int"),
    ]:
        with pytest.raises(NotebookError, match=message):
            run(project, parameters=parameters)
    # Declared by a notebook, but by none of those that are run.
    with pytest.raises(NotebookError, match="no notebook among 02_second declares a parameter 'size'"):
        run(project, parameters={"size": "1"}, only=["02"])
    assert os.listdir(project) == ["notebooks"]


def test_notebook_must_know_its_run(project):
    write_notebook(project / "notebooks", "01_first", "1/0", parameters="size = 1")
    with pytest.raises(NotebookError, match=r"01_first\.ipynb must declare the parameter run"):
        run(project)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a b"])
def test_run_name_is_a_plain_name(project, name):
    write_notebook(project / "notebooks", "01_first", "1/0")
    with pytest.raises(AgnError, match=r"^run must "):
        run(project, run=name)
    assert os.listdir(project) == ["notebooks"]


def test_output_folder_under_a_file_is_refused(project):
    write_notebook(project / "notebooks", "01_first", "1/0")
    (project / "data").touch()
    with pytest.raises(AgnError, match="could not be written"):
        run(project)


def test_notebooks_are_chosen_by_number_or_name(tmp_path):
    for name in ("10_last", "02_second", "01_first", "draft"):
        write_notebook(tmp_path, name)

    def names(**options):
        return [path.stem for path in list_notebooks(tmp_path, **options)]

    assert names() == ["01_first", "02_second", "10_last"]
    assert names(only=["10", "01_first"]) == ["01_first", "10_last"]
    with pytest.raises(AgnError, match="no notebook '03'; choose among 01_first, 02_second, 10_last"):
        names(only=["01", "03"])


def test_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(AgnError, match="holds no numbered notebooks"):
        list_notebooks(tmp_path)
