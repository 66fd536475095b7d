"""A real Chromium, driven over the WebDriver protocol: plain HTTP, no client library needed."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

_FLAGS = (
    "--headless --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --window-size=1000,760"
).split()


class Browser:
    """The few WebDriver calls these tests need."""

    def __init__(self, port, profile):
        self.base = f"http://127.0.0.1:{port}"
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{answer['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self.call("POST", "/url", {"url": path.as_uri()})
        time.sleep(0.3)

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": f"return {script}", "args": []})

    def errors(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def act(self, kind, actions, **more):
        self.call("POST", "/actions", {"actions": [{"type": kind, "id": f"{kind} {more}", "actions": actions, **more}]})

    def drag(self, start, end, pointer="mouse"):
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 50} for x, y in (start, end)]
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self.act("pointer", [moves[0], down, moves[1], up], parameters={"pointerType": pointer})

    def press(self, key):
        self.act("key", [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}])

    def choose(self, element, value, event):
        change = f"s.value = {json.dumps(value)}; s.dispatchEvent(new Event('{event}'));"
        self.run(f"(() => {{ const s = document.getElementById('{element}'); {change} }})()")

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def wait(self, script, seconds=10):
        end = time.time() + seconds
        while not self.run(script):
            assert time.time() < end, f"never true: {script}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        pytest.skip("chromium and chromium-driver are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        page = Browser(port, tmp_path_factory.mktemp("profile"))
        yield page
        page.call("DELETE", "")
    finally:
        process.terminate()
        process.wait()
