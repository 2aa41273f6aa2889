"""What the tests stand on: the labs, the SDKs, and the table at the end."""

import collections
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import labs
from sdk import Sdk

SDKS = ["python", "node"]
running = {}


def pytest_configure(config):
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="towpath-azure-"))
    config.labs_folder = folder
    config.labs_running, config.lab_processes = {}, []
    os.environ["LABS"] = str(folder)
    os.environ["TRUSTED"] = str(folder / "roots.pem")
    config.labs_running, config.lab_processes = labs.make(folder)


def pytest_unconfigure(config):
    for process in getattr(config, "lab_processes", []):
        process.terminate()
    for process in getattr(config, "lab_processes", []):
        process.wait()
    if hasattr(config, "labs_folder") and not os.environ.get("KEEP"):
        shutil.rmtree(config.labs_folder)


def pytest_sessionfinish(session):
    for sdk in running.values():
        sdk.stop()


@pytest.fixture
def all_labs():
    folder = Path(os.environ["LABS"])
    return {front: labs.Lab(front, folder) for front in labs.FRONTS}


@pytest.fixture
def lab(all_labs):
    """The lab that does what the real service is known to do."""
    return all_labs["renegotiate"]


@pytest.fixture(params=SDKS)
def sdk(request):
    """Each SDK in turn. After a failure its driver is started afresh, and what it said is shown."""
    sdk = running.setdefault(request.param, Sdk(request.param))
    yield sdk
    if request.node.stash.get(FAILED, False):
        if sdk.process:
            print("".join(sdk.said))
        sdk.stop()


@pytest.fixture
def device(sdk, request):
    """Makes clients of the SDK that are closed at the end."""
    made = []

    def make(*arguments, **options):
        client = sdk.device(*arguments, **options)
        made.append(client)
        return client

    yield make
    if not request.node.stash.get(FAILED, False):
        for client in made:
            client.close()


FAILED = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


def pytest_collection_modifyitems(items):
    for item in items:
        rest, sdk = [], "-"
        if hasattr(item, "callspec"):
            sdk = item.callspec.params.get("sdk", "-")
            rest = [part for part in item.callspec.id.split("-") if part != sdk]
        name = item.originalname.removeprefix("test_").replace("_", " ")
        where = item.module.__name__.removeprefix("test_")
        item.user_properties.append(("row", f"{where}: {name} {' '.join(rest)}".rstrip()))
        item.user_properties.append(("sdk", sdk))


def pytest_terminal_summary(terminalreporter):
    """Scenario by SDK, with seconds."""
    cells = collections.defaultdict(dict)
    for outcome in ["passed", "failed", "skipped", "error"]:
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(report.user_properties)
            word = {"passed": "ok", "failed": "FAILED", "error": "ERROR"}.get(outcome, "left out")
            cells[told["row"]][told["sdk"]] = f"{word} {report.duration:.1f} s"
    if not cells:
        return
    width = max(len(row) for row in cells)
    line = terminalreporter.write_line
    line(f"\n{'scenario':{width}}  {'python':14}{'node':14}others")
    for row in sorted(cells):
        columns = [cells[row].get(sdk, "") for sdk in [*SDKS, "-"]]
        line(f"{row:{width}}  {columns[0]:14}{columns[1]:14}{columns[2]}".rstrip())
