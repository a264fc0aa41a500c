"""What every folder of tests against a server wants: answers held to the API model, and logs beside failures."""
import pytest
from conformance import RECORDER
from harness import Server


@pytest.fixture(autouse=True)
def answers_as_modelled():
    """Whatever a test was answered, by whichever client, fits the API model."""
    yield
    faults = RECORDER.take_faults()
    if faults:
        pytest.fail("not as the API model has it:\n  " + "\n  ".join(faults[:20]), pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in list(Server.live):
            report.sections.append((f"log of {server.url}", server.tail()))
