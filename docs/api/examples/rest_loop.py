"""The first loop over REST, with nothing but Python's standard library.

    URL=http://127.0.0.1:8000 PASSWORD=… python3 rest_loop.py
"""

import json
import os
import time
import urllib.error
import urllib.request

URL = os.environ.get("URL", "http://127.0.0.1:8000")
token = None


class Problem(Exception):
    """What went wrong, as `application/problem+json` says it (RFC 9457)."""

    def __init__(self, problem):
        super().__init__(f"{problem['status']} {problem['reason']}: {problem['detail']}")
        self.status, self.reason, self.metadata = problem["status"], problem["reason"], problem["metadata"]


def call(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        raise Problem(json.load(error)) from None


def pages(path, items):
    """Every item of a list, page by page."""
    page_token = ""
    while True:
        page = call("GET", f"{path}&page_size=100&page_token={page_token}")
        yield from page[items]
        page_token = page["next_page_token"]
        if not page_token:
            return


# Log in.
credentials = {"username": "admin", "password": os.environ["PASSWORD"]}
token = call("POST", "/api/token", credentials)["access"]

# A pump, and a rule for its bearing. The key makes the first call safe to send again.
pump = call("POST", "/api/equipment", {"name": "Pump 7", "type": "pump"}, Idempotency_Key=os.urandom(16).hex())
rule = {
    "name": "Bearing too hot",
    "equipment_id": pump["id"],
    "metric": "temperature",
    "condition": "ABOVE",
    "threshold": 90,
    "deadband": 5,
    "open_task": True,
}
call("POST", "/api/rules", rule)

# Readings: the second is too hot.
readings = [
    {"equipment_id": pump["id"], "recorded_at": "2026-01-02T10:00:00Z", "metrics": {"temperature": 71.2}},
    {"equipment_id": pump["id"], "recorded_at": "2026-01-02T10:01:00Z", "metrics": {"temperature": 95.5}},
]
batch = call("POST", "/api/data/batch", {"readings": readings})
assert batch == {"accepted": 2, "refused": []}, batch

# The alert has raised, and opens one task a moment later.
tasks = []
while not tasks:
    tasks = list(pages(f"/api/tasks?equipment_id={pump['id']}", "tasks"))
    time.sleep(0 if tasks else 0.1)
task = tasks[0]

# Claim it and record the work, which completes the task.
call("POST", f"/api/tasks/{task['id']}/claim")
call("POST", "/api/maintenance", {"task_id": task["id"], "work_done": "Greased the bearing."})
try:
    call("POST", "/api/maintenance", {"task_id": task["id"], "work_done": "Again."})
    raise AssertionError("a task was completed twice")
except Problem as problem:
    assert problem.status == 409, problem

# The bearing cools down, and the alert clears.
cooler = {"equipment_id": pump["id"], "recorded_at": "2026-01-02T10:30:00Z", "metrics": {"temperature": 70}}
call("POST", "/api/data", cooler)
task = call("GET", f"/api/tasks/{task['id']}")
alerts = list(pages(f"/api/alerts?equipment_id={pump['id']}", "alerts"))
print(task["status"], alerts[0]["state"])
