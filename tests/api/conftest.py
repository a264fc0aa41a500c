"""Fixtures: a server for the whole run, servers of one's own, and the log of every live server beside a failure."""
import pytest
from harness import DATA, Server, World


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in list(Server.live):
            report.sections.append((f"log of {server.url}", server.tail()))


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
