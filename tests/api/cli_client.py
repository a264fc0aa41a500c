"""Any operation of the aws command, by name: the command's own program, started once instead of once a call.

Reads one JSON object a line, {"service", "operation", "input"}, and answers each with one line (clients.py).
"""
import contextlib
import io
import json
import re
import sys

import awscli.clidriver
from botocore import xform_name

REFUSED = re.compile(r"An error occurred \((\w+)\) when calling the \w+ operation: (.*)", re.DOTALL)


def answer(driver, service, operation, given):
    # Without --no-paginate the command would walk all pages by itself.
    command = [service, xform_name(operation, "-"), "--output", "json", "--no-paginate", "--cli-input-json", json.dumps(given)]
    # A flag that is not typed counts as absent where --cli-input-json says false.
    command += [f"--no-{xform_name(name, '-')}" for name, value in given.items() if value is False]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = driver.main(command)
    refused = REFUSED.search(err.getvalue())
    if status and refused:
        return {"error": refused[1], "message": refused[2].strip(), "status": None}
    if status:
        raise SystemExit(f"{command}: {status}\n{err.getvalue()}")
    return {"output": json.loads(out.getvalue() or "{}")}


def main():
    driver = awscli.clidriver.create_clidriver()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(answer(driver, asked["service"], asked["operation"], asked["input"])), flush=True)


if __name__ == "__main__":
    main()
