"""Learning made visible: what runs, how far it is, how long it still takes; and stopped trainings leave nothing."""
import json
import os
import random
import signal
import subprocess
import time

import pytest
from harness import (
    BINARY,
    INTERACTIONS,
    Server,
    csv_text,
    ended,
    finish_version,
    load,
    new_dataset,
    new_group,
    new_solution,
    wait_for,
)

UP = "aws-user-personalization"


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server with a group whose training takes seconds."""
    server = Server(tmp_path_factory.mktemp("busy") / "data", "--jobs", "1")
    group = new_group(server)
    dataset = new_dataset(server, group)
    rows = [(f"u{n % 9000}", f"i{(n * 7919 + n // 9000 * 31) % 4000}", 1_700_000_000 + n, "view", 1.0, "web") for n in range(180_000)]
    load(server, dataset, csv_text([f["name"] for f in INTERACTIONS["fields"]], rows))
    server.solution = new_solution(server, group, UP)
    yield server
    server.stop()


def jobs_of(server):
    answer = server.send("GET", "/ondol/jobs", headers=server.sign("GET", "/ondol/jobs", b"", {}))
    assert answer.status == 200, answer
    return answer.json


def command(server, *options):
    return subprocess.run([BINARY, "jobs", "--data", str(server.folder), *options], capture_output=True, text=True, timeout=100)


def start(server):
    return server.control.create_solution_version(solutionArn=server.solution)["solutionVersionArn"]


def status(server, version):
    return server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"]


def files(server):
    """Everything a training may have written, but what versions that are ACTIVE have."""
    return sorted(str(p.relative_to(server.folder)) for f in ("images", "work") for p in (server.folder / f).rglob("*"))


def stop_and_wait(server, version):
    server.control.stop_solution_version_creation(solutionVersionArn=version)
    return wait_for(lambda: status(server, version), lambda value: value not in ("CREATE STOPPING", "CREATE IN_PROGRESS"), 20)


def test_progress_rises_and_tells_the_time_left(busy):
    version = start(busy)
    seen = []

    def look():
        seen.extend(job for job in jobs_of(busy) if job["arn"] == version)
        return len(seen) > 400 or any(job["progress"] > 0.3 for job in seen) or ended_now(busy, version)

    wait_for(look, bool)
    shown = command(busy)
    machine = json.loads(command(busy, "--json").stdout)
    assert stop_and_wait(busy, version) == "CREATE STOPPED"
    progress = [job["progress"] for job in seen]
    assert progress == sorted(progress) and 0 < progress[-1] < 1, progress
    assert len({job["stage"] for job in seen}) > 2, "stages are named"
    assert all(job["seconds"] >= 0 for job in seen)
    late = seen[-1]
    assert late["secondsLeft"] == pytest.approx(late["seconds"] * (1 - late["progress"]) / late["progress"], abs=1)
    assert shown.returncode == 0 and version in shown.stdout and "%" in shown.stdout and "left" in shown.stdout, shown
    assert [job["arn"] for job in machine["jobs"]] == [version]


def ended_now(server, version):
    return ended({"status": status(server, version)})


def test_watching_ends_when_nothing_runs(busy):
    version = start(busy)
    watching = subprocess.Popen([BINARY, "jobs", "--watch", "--data", str(busy.folder)], stdout=subprocess.PIPE, text=True)
    time.sleep(1.2)
    assert watching.poll() is None
    assert stop_and_wait(busy, version) == "CREATE STOPPED"
    out, _ = watching.communicate(timeout=10)
    assert watching.returncode == 0 and version in out and out.endswith("nothing runs\n"), out


def test_without_a_server_the_command_says_so(tmp_path):
    asked = subprocess.run([BINARY, "jobs", "--data", str(tmp_path)], capture_output=True, text=True, timeout=20)
    assert asked.returncode == 1 and "No server" in asked.stderr


def test_stopping_at_random_times_leaves_nothing(busy):
    rng = random.Random(4)
    before = files(busy)
    for _ in range(5):
        version = start(busy)
        time.sleep(rng.random() * 2)
        assert stop_and_wait(busy, version) == "CREATE STOPPED"
        wait_for(lambda: files(busy), lambda now: now == before, 10)


def worker_of(server):
    """The process id of the server's one worker; None when there is none."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    return int(out.stdout.split()[0]) if out.stdout.split() else None


def test_a_killed_worker_fails_its_version_and_leaves_nothing(busy):
    rng = random.Random(5)
    before = files(busy)
    for _ in range(3):
        version = start(busy)
        pid = wait_for(lambda: worker_of(busy), bool)
        time.sleep(rng.random() * 2)
        os.kill(pid, signal.SIGKILL)
        described = finish_version(busy, version)
        assert described["status"] == "CREATE FAILED" and "signal 9" in described["failureReason"], described
        wait_for(lambda: files(busy), lambda now: now == before, 10)


def test_what_waits_is_stopped_at_once(busy):
    running = start(busy)
    wait_for(lambda: runs(busy, running), bool)
    for prepared in (False, True, False):  # what is still prepared is stopped as well as what waits
        waiting = start(busy)
        if prepared:
            wait_for(lambda: [job["arn"] for job in jobs_of(busy)], lambda arns: waiting in arns)
        busy.control.stop_solution_version_creation(solutionVersionArn=waiting)
        wait_for(lambda: [job["arn"] for job in jobs_of(busy)], lambda arns: waiting not in arns, 10)
        assert status(busy, waiting) == "CREATE STOPPED"
    assert runs(busy, running)
    assert stop_and_wait(busy, running) == "CREATE STOPPED"


def runs(server, version):
    return any(job["arn"] == version and job["seconds"] > 0 for job in jobs_of(server))


def test_only_ends_that_nobody_asked_for_count_against_a_job(busy):
    version = start(busy)
    for _ in range(4):
        wait_for(lambda: runs(busy, version), bool)
        busy.stop()
        busy.start()
    assert status(busy, version) in ("CREATE PENDING", "CREATE IN_PROGRESS")
    for _ in range(3):
        wait_for(lambda: runs(busy, version), bool)
        busy.kill()
        busy.start()
    told = finish_version(busy, version)
    assert told["status"] == "CREATE FAILED" and "ended 3 times" in told["failureReason"], told
