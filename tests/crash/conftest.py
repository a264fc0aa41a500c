"""These tests share the harness of the API tests, its server and its clustered world."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
TORTURE = os.environ.get("ONDOL_TORTURE")

# This brings the harness, which takes ONDOL_... out of the environment.
from watch import answers_as_modelled, pytest_runtest_makereport  # noqa: E402, F401

if TORTURE:
    os.environ["ONDOL_TORTURE"] = TORTURE
