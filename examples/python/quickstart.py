"""A tidal server from Python, with the standard library alone.

    tidal serve --data-dir /tmp/quickstart --schema events &
    python3 examples/python/quickstart.py http://127.0.0.1:7878

TIDAL_KEY is the API key, if the server asks for one.
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


class Problem(Exception):
    """What the server says is wrong. Decide by code, which is stable; detail is for people."""

    def __init__(self, status, document):
        super().__init__(f"{status} {document.get('code')}: {document.get('detail')}")
        self.status = status
        self.code = document.get("code", "unreadable")
        self.field = document.get("field")
        self.record = document.get("record")
        self.retry_after = document.get("retry_after_ms", 0) / 1000


class Tidal:
    """A connection to a server. It is made once; calls raise Problem."""

    def __init__(self, url, key=None, patience=10.0):
        self.url = url.rstrip("/")
        self.patience = patience  # seconds that one call may take, with all its tries
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self.headers["Authorization"] = "Bearer " + key

    def put(self, item, **fields):
        return self.call("PUT", "/v1/items/" + quote(item), fields)

    def signal(self, key=None, **event):
        """Writes one signal: durable, and in the next list, when this returns.

        The key makes it count once, however often it is sent: within these tries, and by whoever repeats it."""
        return self.call("POST", "/v1/signals", event, key or uuid.uuid4().hex)

    def rank(self, **query):
        return self.call("POST", "/v1/rank?with_cursor=true", {"rank": "items", **query}, write=False)

    def call(self, method, path, body=None, key=None, write=True):
        """Sends a request until it's answered. A write is sent again only if the server can tell that it's the same one:
        by its key, or because it sets something, which can be set twice."""
        again = not write or key is not None or method == "PUT"
        end, pause = time.monotonic() + self.patience, 0.02
        while True:
            try:
                return self.once(method, path, body, key)
            except Problem as problem:
                wait = max(problem.retry_after, pause * random.uniform(0.5, 1))
                if not again or not problem.retry_after or time.monotonic() + wait > end:
                    raise
            except OSError:  # nobody answers, or the connection broke: the request may have arrived
                wait = pause * random.uniform(0.5, 1)
                if not again or time.monotonic() + wait > end:
                    raise
            time.sleep(wait)
            pause = min(2 * pause, 2.0)

    def once(self, method, path, body, key):
        headers = dict(self.headers)
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.patience) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    document = json.load(error)
                except ValueError:  # a proxy's page
                    document = {"detail": error.reason}
            raise Problem(error.code, document) from None


def quote(segment):
    return urllib.parse.quote(segment, safe="")


def main():
    tidal = Tidal(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7878", os.environ.get("TIDAL_KEY"))

    for n, category in enumerate(["jazz", "jazz", "jazz", "blues", "blues", "polka", "polka"], 1):
        tidal.put(f"{category}-{n}", category=category, tags=["live"], creator=f"band-{n % 3}")

    # What a user does is in their next list.
    tidal.signal(type="like", user="ada", item="jazz-1")
    for _ in range(3):
        tidal.signal(type="view", user="bo", item="blues-4")
    page = tidal.rank(user="ada", profile="for_you", limit=3)
    print("for ada:", ids(page))

    # What they hide is in none of them any more. The ref says in the log which list had shown it, and where.
    shown = page["items"][0]
    tidal.signal(type="hide", user="ada", item=shown["item"], ref=shown["ref"])
    page = tidal.rank(user="ada", profile="for_you", limit=3)
    assert shown["item"] not in ids(page), "a hidden item was shown"
    print("without", shown["item"] + ":", ids(page))

    # The cursor continues the list: the next pages repeat nothing.
    seen = ids(page)
    while page.get("cursor"):
        page = tidal.rank(user="ada", profile="for_you", limit=3, cursor=page["cursor"])
        assert not set(seen) & set(ids(page)), "a page repeats an item"
        seen += ids(page)
    print("all pages:", len(seen), "items")

    # A retry under the same key counts once, and says so.
    first = tidal.signal("order-17", type="purchase", user="ada", item="jazz-2")
    again = tidal.signal("order-17", type="purchase", user="ada", item="jazz-2")
    assert first["position"] == again["position"] and again["duplicate"], (first, again)
    print("sent twice, counted once:", again["duplicate"])

    # Errors have a code to decide by.
    for why, attempt in {
        "the same key for something else": lambda: tidal.signal("order-17", type="purchase", user="ada", item="jazz-3"),
        "a type that the schema hasn't": lambda: tidal.signal(type="lick", user="ada", item="jazz-1"),
        "an item that isn't there": lambda: tidal.call("GET", "/v1/items/nothing", write=False),
    }.items():
        try:
            attempt()
        except Problem as problem:
            print(f"{why}: {problem.code}" + (f", field {problem.field}" if problem.field else ""))


def ids(page):
    return [item["item"] for item in page["items"]]


if __name__ == "__main__":
    main()
