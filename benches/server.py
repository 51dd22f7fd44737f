"""The authorization server of the benchmark: answers at once, and tells how
long it took itself, so that this can be subtracted.

Prints its URL, and serves one request after the other until it is killed.
`/times` answers with `[path, seconds]` of every request since it was last
asked.
"""
import json
import socket
import time
from urllib.parse import parse_qs, urlsplit


def read_request(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = stream.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += stream.recv(65536)
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    return method, target, body.decode()


def answer(status, body="", headers=""):
    return (
        f"HTTP/1.1 {status}\r\n{headers}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def respond(method, target, body, count):
    url = urlsplit(target)
    if (method, url.path) == ("GET", "/authorize"):
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        state = f"&state={query['state']}" if "state" in query else ""
        location = f"{query['redirect_uri']}?code=c0de{count:08}{state}"
        return answer("302 Found", headers=f"Location: {location}\r\n")
    if (method, url.path) == ("POST", "/token"):
        form = parse_qs(body)
        if form["grant_type"] == ["authorization_code"]:
            known = form["code"][0].startswith("c0de")
        else:
            known = form["refresh_token"][0].startswith("refresh")
        if not known:
            return answer("400 Bad Request", '{"error": "invalid_grant"}')
        token = {
            "access_token": f"y0_bench{count:08}",
            "refresh_token": f"refresh{count:08}",
            "token_type": "bearer",
            "expires_in": 31536000,
        }
        return answer("200 OK", json.dumps(token))
    return answer("404 Not Found", "{}")


def serve():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    times, count = [], 0
    while True:
        stream, _ = listener.accept()
        with stream:
            try:
                request = read_request(stream)
                begun = time.perf_counter()
                if request is None:
                    continue
                if request[1] == "/times":
                    stream.sendall(answer("200 OK", json.dumps(times)))
                    times = []
                    continue
                count += 1
                stream.sendall(respond(*request, count))
                times.append([urlsplit(request[1]).path, time.perf_counter() - begun])
            except (ConnectionError, KeyError, ValueError):
                continue


if __name__ == "__main__":
    serve()
