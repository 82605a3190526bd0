# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the reports share: an API that answers from memory, since
no lab has 300 sites with loads, and a headless browser."""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("ANYCAST_BUILD", "build/release")
DEADLINE_SEC = 60


def without_levels(maps):
    """As of all sites at once: the first level only."""
    return [{**m, "heirs": [{k: v for k, v in h.items() if k != "heirs"}
                            for h in m["heirs"]]} for m in maps]


class Api:
    """Answers GET requests by their path; of the query only "site" counts, and
    as with the daemon there are levels below only if it is given."""

    def __init__(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                doc = answers.get(url.path)
                if url.path == "/v1/failover" and doc is not None:
                    site = urllib.parse.parse_qs(url.query).get("site")
                    doc = {"maps": [m for m in doc["maps"] if m["site"] == site[0]]
                           if site else without_levels(doc["maps"])}
                body = json.dumps(doc if doc is not None else {"error": {
                    "code": "gone", "message": "not known"}}).encode()
                self.send_response(404 if doc is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def anycastctl(api, *args):
    """What it writes to standard output."""
    done = subprocess.run([BUILD / "anycastctl", "--url", api.url, *args],
                          capture_output=True, timeout=DEADLINE_SEC, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"anycastctl {args}: {done.stderr.decode()}")
    return done.stdout.decode()


def find_browser():
    """The program, or None with why not."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


class Browser:
    """One page of a headless Chromium, spoken to over a pipe in the language of
    its developer tools: messages of JSON, a NUL behind each."""

    def __init__(self, program, width=1440, height=900):
        self.home = tempfile.TemporaryDirectory()
        to_read, self.to_write = os.pipe()
        self.to_read, to_write = os.pipe()
        self.process = self.start(program, to_read, to_write, width, height)
        self.buffer = b""
        self.last = 0
        self.session = None
        self.problems = []  # what the page's console says
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def start(self, program, to_read, to_write, width, height):
        def put_pipes():
            # The browser reads 3 and writes 4; via high ones, which neither is.
            os.dup2(to_read, 103)
            os.dup2(to_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)
            os.close(103)
            os.close(104)

        process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--remote-debugging-pipe",
             f"--user-data-dir={self.home.name}", f"--window-size={width},{height}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=put_pipes,
            env={**os.environ, "HOME": self.home.name})
        os.close(to_read)
        os.close(to_write)
        return process

    def receive(self):
        while b"\0" not in self.buffer:
            got = os.read(self.to_read, 1 << 16)
            if not got:
                raise RuntimeError("the browser has ended")
            self.buffer += got
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.problems.append(answer["params"])

    def run(self, script):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script,
                           returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, script):
        """Until the expression is true."""
        until = time.monotonic() + DEADLINE_SEC
        while not self.run(script):
            if time.monotonic() > until:
                raise RuntimeError(f"never true: {script}")
            time.sleep(.02)

    def open(self, url):
        self.run("window.before = true")
        self.call("Page.navigate", url=url)
        self.wait("!window.before && document.readyState === 'complete'")

    def node(self, selector):
        """Works in a page that may run no script, too; 0: none."""
        root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        return self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]

    def wait_node(self, selector):
        """Also while one page gives way to the next, and its nodes go."""
        until = time.monotonic() + DEADLINE_SEC
        while True:
            try:
                if self.node(selector):
                    return
            except RuntimeError:
                pass
            if time.monotonic() > until:
                raise RuntimeError(f"never there: {selector}")
            time.sleep(.02)

    def shown(self, selector):
        """How many of those elements take room on the page."""
        root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        n = 0
        for node in self.call("DOM.querySelectorAll", nodeId=root,
                              selector=selector)["nodeIds"]:
            try:
                box = self.call("DOM.getBoxModel", nodeId=node)["model"]
            except RuntimeError:
                continue  # it has none
            n += box["height"] > 0
        return n

    def point(self, selector, kind="mouseMoved", index=0):
        """Mouse to the middle of what selector finds."""
        x, y = self.run(f"""(() => {{
            const e = document.querySelectorAll({json.dumps(selector)})[{index}];
            e.scrollIntoView({{block: "nearest"}});
            const box = e.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left"
                  if kind != "mouseMoved" else "none", clickCount=1)

    def click(self, selector, index=0):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.point(selector, kind, index)

    def key(self, name, text=None):
        for kind in ("keyDown", "keyUp"):
            params = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, **params)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def close(self):
        self.process.terminate()
        self.process.wait(DEADLINE_SEC)
        os.close(self.to_write)
        os.close(self.to_read)
        self.home.cleanup()
