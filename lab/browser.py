"""A page in headless Chromium, driven step by step: tests/e2e/node/drive.js does what it is told."""

import json
import os
import subprocess

from lab.penstock import ROOT

NODE = os.path.join(ROOT, "tests", "e2e", "node")


class Browser:
    """Each command of drive.js is a method: browser.goto(url=...). It runs in the network where it is made."""

    def __init__(self, folder, host=None):
        env = {"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8"}
        start = host.popen if host else subprocess.Popen
        self.process = start(["node", os.path.join(NODE, "drive.js"), "/usr/bin/chromium"], env=env, cwd=NODE,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the browser's driver is gone")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def __getattr__(self, name):
        def command(**how):
            self.process.stdin.write(json.dumps({"do": name, **how}).encode() + b"\n")
            self.process.stdin.flush()
            return self._answer()
        return command

    def text(self, selector):
        return self.eval(js="(s) => document.querySelector(s)?.innerText", arg=selector)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
