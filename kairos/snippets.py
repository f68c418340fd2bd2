"""What a developer pastes after a key was made: a first event, ready to run."""

from collector.keys import Kind

_CURL = """\
curl {url}/v1/track -u '{key}:' \\
  -d '{{"event": "Product Viewed", {who}, "properties": {{"product_id": "p-7"}}}}'
"""

_BROWSER = """\
<script>
  const id = localStorage.kairosId ??= crypto.randomUUID();
  function track(event, properties = {{}}) {{
    fetch("{url}/v1/track?writeKey={key}", {{
      method: "POST",
      keepalive: true,
      body: JSON.stringify({{event, properties, anonymousId: id, messageId: crypto.randomUUID()}}),
    }});
  }}
  track("Product Viewed", {{product_id: "p-7"}});
</script>
"""

_SERVER = """\
# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key = "{key}"
analytics.host = "{url}"
analytics.identify("u-1", {{"email": "ana@shop.example", "first_name": "Ana"}})
analytics.track("u-1", "Signed Up")
analytics.flush()
"""


def snippet(kind: Kind, url: str, key: str) -> str:
    r"""Return a shell line, and code for where a key of this kind belongs.

    >>> print(snippet("server", "http://127.0.0.1:8765", "server_x").splitlines()[0])
    curl http://127.0.0.1:8765/v1/track -u 'server_x:' \
    """
    browser = kind == "browser"
    who = '"anonymousId": "a-1"' if browser else '"userId": "u-1"'
    code = _BROWSER if browser else _SERVER
    return f"{_CURL.format(url=url, key=key, who=who)}\n{code.format(url=url, key=key)}"
