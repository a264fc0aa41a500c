"""Four clients of AWS's, asked alike: boto3, the aws command, the SDKs for JavaScript (v3) and Java (v2).

ask(operation, **input) makes one call by the client's own marshalling and gives its output, or raises Refused. All but
boto3 are programs that answer a line of JSON with a line of JSON; a client that is not installed is a visible skip.
"""
import datetime
import json
import pathlib
import shutil
import subprocess
import sys

import botocore.exceptions
import pytest
from botocore import xform_name
from conformance import OPERATIONS
from harness import ROOT

HERE = pathlib.Path(__file__).parent
JARS = ROOT / "build" / "java" / "lib"


class Refused(Exception):
    def __init__(self, code, message, status):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


class Boto3:
    def __init__(self, server):
        self.server = server

    def ask(self, operation, **given):
        client = self.server.client(OPERATIONS[operation][0])
        try:
            output = getattr(client, xform_name(operation))(**given)
        except botocore.exceptions.ClientError as error:
            told = error.response
            raise Refused(
                told["Error"]["Code"], told["Error"]["Message"], told["ResponseMetadata"]["HTTPStatusCode"]
            ) from None
        return {k: v for k, v in output.items() if k != "ResponseMetadata"}

    def close(self):
        pass


class Program:
    """A client in a process of its own."""

    def __init__(self, server, *command):
        self.process = subprocess.Popen(
            command, env=server.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, operation, **given):
        line = json.dumps({"service": OPERATIONS[operation][0], "operation": operation, "input": given})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{self.process.args[:2]} ended with status {self.process.wait(10)} when asked {line}"
        answer = json.loads(answer)
        if "error" in answer:
            raise Refused(answer["error"], answer["message"], answer["status"])
        return answer["output"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


def aws_command(server):
    return Program(server, sys.executable, str(HERE / "cli_client.py"))


def javascript(server):
    if not shutil.which("node"):
        pytest.skip("there is no node on the PATH")
    if not (HERE / "js" / "node_modules" / "@aws-sdk" / "client-personalize").is_dir():
        pytest.skip("the JavaScript SDK is not in tests/api/js/node_modules: tools/deps.sh test puts it there")
    return Program(server, "node", str(HERE / "js" / "client.mjs"))


def java(server):
    if not shutil.which("javac"):
        pytest.skip("there is no JDK on the PATH")
    if not list(JARS.glob("personalize-*.jar")):
        pytest.skip(f"the Java SDK is not in {JARS}: tools/deps.sh test puts it there")
    return Program(server, "java", "-Xshare:auto", "-cp", f"{JARS}/*", str(HERE / "java" / "Client.java"))


CLIENTS = {"boto3": Boto3, "aws command": aws_command, "JavaScript v3": javascript, "Java v2": java}


def seconds(value):
    """A time as any of the clients gives it (datetime, number, ISO 8601 text), in seconds since 1970."""
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value.timestamp() if isinstance(value, datetime.datetime) else float(value)
