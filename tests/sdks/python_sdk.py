"""Drives an SDK for Python: segment|rudderstack URL KEY ROUNDS PAUSE_MS."""

import json
import sys
import time
from importlib import import_module


def main() -> None:
    which, url, key, rounds, pause = sys.argv[1:]
    failed: list[str] = []
    client = import_module(f"{which}.analytics.client").Client(
        key,
        host=url,
        upload_interval=0.2,
        upload_size=5,
        max_retries=30,
        on_error=lambda error, _items: failed.append(str(error)),
    )
    for n in range(int(rounds)):
        who = f"{which}-{n}"
        client.identify(who, {"email": f"{who}@shop.example", "plan": "pro"})
        client.track(who, "Product Viewed", {"product_id": f"p-{n}", "price": 19.9})
        client.page(who, "Docs", "Home", {"path": "/"})
        client.screen(who, "Docs", "Start", {"dark": True})
        client.group(who, "g-1", {"name": "Example"})
        client.alias(f"{which}-old-{n}", who)
        time.sleep(int(pause) / 1000)
    client.shutdown()
    print(json.dumps({"failed": failed}))


if __name__ == "__main__":
    main()
