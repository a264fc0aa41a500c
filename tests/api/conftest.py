"""Fixtures: a server for the whole run, servers of one's own, the log of every live server beside a failure, and the
check of all answers against the API model."""
import pathlib

import pytest
from conformance import RECORDER
from harness import DATA, Server, World
from watch import answers_as_modelled, pytest_runtest_makereport  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent


def is_whole(config):
    """Does this run take in every test of this folder?"""
    options = config.option
    chosen = options.keyword or options.markexpr or options.deselect or options.ignore or options.ignore_glob
    if chosen or getattr(options, "lf", False) or getattr(options, "stepwise", False):
        return False
    paths = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return any(HERE == path or path in HERE.parents for path in paths)


# Tests may be shared out among processes (pytest-xdist); what each was answered comes together in the first.


def pytest_sessionfinish(session):
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["answers"] = RECORDER.counts()
    elif is_whole(config) and list(RECORDER.lacks()) and session.exitstatus == 0:
        session.exitstatus = 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    RECORDER.add(getattr(node, "workeroutput", {}).get("answers"))


def pytest_terminal_summary(terminalreporter, config):
    if not is_whole(config):
        return
    terminalreporter.section("operations and their declared errors")
    for line in RECORDER.table():
        terminalreporter.write_line(line)
    lacks = list(RECORDER.lacks())
    if lacks:
        terminalreporter.section(f"FAILED: {len(lacks)} things were never exercised")
    for line in lacks:
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def no_server_outlives_its_test():
    """Whatever a failing test started for itself is ended; what wider fixtures started was there before."""
    before = list(Server.live)
    yield
    for started in [server for server in Server.live if server not in before]:
        started.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Shared by tests that do not mind each other's resources."""
    running = Server(tmp_path_factory.mktemp("shared") / "data")
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path):
    """Alone on its folder, for tests that count, restart or break things."""
    running = Server(tmp_path / "data")
    yield running
    if running.process is not None:
        running.stop()


@pytest.fixture(scope="session")
def world(server):
    return World(server)


@pytest.fixture(scope="session")
def ml_1m():
    folder = DATA / "ml-1m"
    if not (folder / "interactions.csv.gz").exists():
        pytest.skip(f"MovieLens-1M is not at {folder} (ONDOL_TEST_DATA)")
    return folder
